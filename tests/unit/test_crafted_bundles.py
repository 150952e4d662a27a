"""Bundles made to run code, to read what is not theirs, or to fill the memory: a sentence, and nothing happens."""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from crafted import SAMPLE_MEMBER, Touch, attack, members_of, stored
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame, prepare_bundle, quick_model

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.archive import load_network, load_program, module_of, read_program
from orchestrator.bundle.content import read_content
from orchestrator.bundle.files import LIMITS, read_folder
from orchestrator.bundle.pyfunc import _load_pyfunc
from orchestrator.bundle.serialized import serialized_program
from orchestrator.errors import BundleError, InvalidValueError, UnansweredError
from orchestrator.serving.inference.prepared_model import load_prepared


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crafted") / "bundle"
    # a column that says nothing gives a note
    rows = mixed_frame(200).assign(same=1)
    made = make_bundle(*quick_model(rows, "label"), {"metric": "log_loss"})
    dataclasses.replace(made, card="# A model\n").save(folder)
    return folder


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle that may be changed."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for entry in bundle.iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    return folder


@pytest.fixture(scope="module")
def members(bundle):
    return members_of((bundle / "network.pt2").read_bytes())


def load_module(content):
    return module_of(load_program(content, "network.pt2"), "network.pt2")


def test_what_torch_reads_otherwise_than_python_runs_no_code(copy, tmp_path):
    path, touched = copy / "network.pt2", tmp_path / "touched"
    prepare_bundle(copy, tmp_path / "prepared", "torch")
    path.write_bytes(attack(path.read_bytes(), touched))
    (tmp_path / "prepared" / "network.pt2").write_bytes(path.read_bytes())
    for load in (
        lambda: load_network(path),
        lambda: ModelBundle.load(copy),
        lambda: prepare_bundle(copy, tmp_path / "again"),
        lambda: load_prepared(tmp_path / "prepared"),
        lambda: read_program(path),
    ):
        with pytest.raises(BundleError, match="can be read in two ways"):
            load()
        assert not touched.exists()
    # it is an attack: torch's own loader falls for it
    with pytest.raises(Exception):  # noqa: B017
        torch.export.load(path)
    assert touched.exists()


def test_thousands_of_mutated_archives_give_torch_plain_data_or_nothing():
    command = [sys.executable, str(Path(__file__).parent.parent / "benchmarks" / "bundle_fuzz.py")]
    done = subprocess.run([*command, "2000", "--real", "20"], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]


# --- the folder


def refused(folder, sentence):
    with pytest.raises(BundleError, match=sentence) as error:
        ModelBundle.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", LIMITS)
def test_files_that_are_no_files_are_refused(copy, tmp_path, name):
    (tmp_path / "secret").write_bytes((copy / name).read_bytes())
    (copy / name).unlink()
    (copy / name).symlink_to(tmp_path / "secret")
    refused(copy, f"{name}: is a link")
    (copy / name).unlink()
    os.mkfifo(copy / name)
    refused(copy, f"{name}: is not an ordinary file")
    (copy / name).unlink()
    (copy / name).mkdir()
    refused(copy, f"{name}: is not an ordinary file")


@pytest.mark.parametrize("name", LIMITS)
def test_a_file_above_its_limit_is_not_read(copy, name):
    os.truncate(copy / name, LIMITS[name] + 1)
    refused(copy, f"{name}: is larger than the {LIMITS[name] // 2**20} MiB")


def test_a_bundle_that_could_not_be_read_is_not_written(bundle, tmp_path):
    loaded = ModelBundle.load(bundle)
    loaded.metrics["note"] = "x" * LIMITS["metrics.json"]
    with pytest.raises(BundleError, match=r"metrics\.json of the model bundle would have"):
        loaded.save(tmp_path / "large")
    assert list(tmp_path.iterdir()) == []


def test_what_is_prepared_is_what_was_checked(copy, tmp_path, monkeypatch):
    before = read_folder(copy)
    check = ModelBundle.of_files

    def checked_and_exchanged(files, folder):
        found = check(files, folder)
        (copy / "network.pt2").write_bytes(attack((copy / "network.pt2").read_bytes(), tmp_path / "touched"))
        (copy / "metrics.json").write_text('{"other": 1}')
        return found

    monkeypatch.setattr(ModelBundle, "of_files", checked_and_exchanged)
    prepare_bundle(copy, tmp_path / "prepared", "torch")
    assert {name: (tmp_path / "prepared" / name).read_bytes() for name in before} == before
    assert (tmp_path / "prepared").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "touched").exists()


# --- JSON

JSON_FILES = [name for name in LIMITS if name.endswith(".json")]


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[" * 100_000, "nested more than 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested more than 64 levels"),
        ("[]", "must hold a JSON object"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": ' + "1" * 5000 + "}", "is not JSON"),
        ('{"a": 1e999}', "1e999 is too large a number"),
        ('{"a": [-' + "1" * 400 + "]}", "is too large a number"),
        ('{"a": {"b": 1, "b": 2}}', "'b' is there twice"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        ("{\0}\0", "is not JSON"),
        ("\udcff", "is not JSON"),
    ],
)
def test_json_of_another_shape_is_a_sentence(copy, name, content, sentence):
    (copy / name).write_text(content, errors="surrogateescape")
    refused(copy, f"{name}: .*{sentence}")


def changed(path, edit):
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def test_a_form_of_dates_that_nobody_writes_is_refused(copy):
    changed(copy / "schema.json", lambda document: document["columns"][3].update(datetime_format="%"))
    refused(copy, "a form of dates is not known")


def test_a_sentence_does_not_list_a_hundred_thousand_columns(copy):
    more = [{"name": f"column {number}", "kind": "numeric"} for number in range(20_000)]
    changed(copy / "schema.json", lambda document: document["columns"].extend(more))
    (copy / "background.json").unlink()
    with pytest.raises(InvalidValueError, match=r"19,950 more are missing; needed: .* and 19,954 more") as error:
        ModelBundle.load(copy).predict(mixed_frame(5))
    assert len(str(error.value)) < 2000


OTHERS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)


@given(data=st.data(), name=st.sampled_from(JSON_FILES), other=OTHERS)
def test_wrong_types_within_json_are_a_sentence(bundle, data, name, other):
    files = read_folder(bundle)
    document = place = json.loads(files[name])
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.integers(0, 5)) == 0:
            break
        place = place[key]
    place[key] = other
    try:
        content = read_content(files | {name: json.dumps(document).encode()}, bundle)
    except BundleError as error:
        assert ".json" in str(error)
        assert "\n" not in str(error)
    else:
        # what is accepted can be described and used
        network = torch.nn.Identity()
        of = ModelBundle(
            schema=content.schema,
            encoder=content.encoder,
            target_encoder=content.target_encoder,
            metrics=content.metrics,
            example=content.example,
            inputs=content.inputs,
            network=network,
        )
        json.dumps(of.description())


# --- tensors and the graph


def test_a_graph_becomes_what_torch_makes_of_it(members):
    from torch._export.serde import schema, serialize

    graph = json.loads(members["network/models/model.json"])
    read, expected = serialized_program(graph), serialize._dict_to_dataclass(schema.ExportedProgram, graph)
    assert read == expected
    # two unions are equal to torch if their values are
    assert repr(read) == repr(expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda program: program.update(opset_version=[]),
        lambda program: program.update(schema_version="8.15"),
        lambda program: program["graph_module"]["graph"].update(nodes={"0": 1}),
        lambda program: program["graph_module"]["graph"]["nodes"][0].update(target=["torch.ops.aten.add.Tensor"]),
        lambda program: program["graph_module"]["graph"]["outputs"][0].update(as_int=1),
        lambda program: program["graph_module"]["graph"]["inputs"].append({"as_nothing": 1}),
        lambda program: program.pop("graph_module"),
    ],
)
def test_parts_of_a_graph_of_another_kind_are_refused(members, change):
    graph = json.loads(members["network/models/model.json"])
    change(graph)
    with pytest.raises((ValueError, KeyError, TypeError)):
        serialized_program(graph)


def edited(members, name, edit):
    document = json.loads(members[f"network/{name}"])
    edit(document)
    return stored(members | {f"network/{name}": json.dumps(document).encode()})


def tensor(**changes):
    def edit(document):
        meta = next(iter(document["config"].values()))
        meta["tensor_meta"].update(changes)
        meta.update({key: value for key, value in changes.items() if key in meta})

    return edit


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": [{"as_int": 1000}, {"as_int": 1000}]},
        {"sizes": [{"as_int": -1}, {"as_int": 4}]},
        {"sizes": [{"as_int": 2**62}, {"as_int": 2**62}]},
        {"sizes": []},
        {"strides": [{"as_int": 2**40}, {"as_int": 1}]},
        {"strides": [{"as_int": -1}, {"as_int": 1}]},
        {"storage_offset": {"as_int": 1}},
        {"storage_offset": {"as_int": -1}},
        {"storage_offset": {"as_expr": {"expr_str": "s0", "hint": None}}},
        {"dtype": 8},
        {"dtype": 9},
        {"dtype": True},
        {"dtype": 12},
        {"layout": 1},
        {"device": {"type": "cuda", "index": 0}},
        {"device": None},
        {"path_name": "weight_99"},
        {"path_name": "../models/model.json"},
        {"use_pickle": None},
    ],
)
def test_a_tensor_that_lies_about_its_bytes_is_refused(members, changes):
    evil = edited(members, "data/weights/model_weights_config.json", tensor(**changes))
    with pytest.raises(BundleError, match="was not loaded"):
        load_program(evil, "network.pt2")


def test_missing_and_short_weights_are_refused(members):
    name = "network/data/weights/weight_0"
    for changed in (
        {key: value for key, value in members.items() if key != name},
        members | {name: members[name][:-4]},
    ):
        with pytest.raises(BundleError, match=r"missing|does not fit its numbers"):
            load_program(stored(changed), "network.pt2")


def test_a_pickle_of_sample_inputs_is_refused(members, tmp_path):
    evil = stored(members | {SAMPLE_MEMBER: pickle.dumps(Touch(tmp_path / "touched"))})
    with pytest.raises(BundleError, match="is a pickle"):
        load_program(evil, "network.pt2")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "operator",
    [
        "torch.ops.aten._sparse_coo_tensor_unsafe.default",
        "torch.ops.aten.fbgemm_linear_fp16_weight.default",
        "torch.ops.aten.set_.source_Storage_storage_offset",
        "torch.ops.aten.empty.memory_format",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.quantized_lstm.default",
        "torch.ops.aten._nested_view_from_buffer.default",
        "torch.ops.aten.manual_seed.default",
        "torch.ops.aten.add.never",
        "torch.ops.aten.__class__.mro",
        "torch.ops.aten.name",
    ],
)
def test_operators_beside_those_of_dense_tensors_are_refused(members, operator):
    def edit(document):
        document["graph_module"]["graph"]["nodes"][0]["target"] = operator

    with pytest.raises(BundleError, match="a bundle may not hold"):
        load_program(edited(members, "models/model.json", edit), "network.pt2")


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9**9",
        "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
        "Pow(Integer(9), Integer(999999999))",
        "1<<9999999999",
        "'1'*2000000000",
        "Symbol('s1'*99999999)",
        "FloorDiv((s1+s2+s3+s4+s5+s6)**40,s1+1)",
        "FloorDiv(Pow(Add(Symbol('s1'), Symbol('s2')), Integer(99)), Symbol('s1'))",
        "Max(Symbol('s1'), Symbol('s2'), Symbol('s3'), Symbol('s4'))",
        "Symbol('u99999999999')",
        "Integer",
        "-" * 400 + "1",
    ],
)
def test_sizes_that_would_take_for_ever_to_compute_are_refused(members, expression):
    def edit(document):
        values = document["graph_module"]["graph"]["tensor_values"]
        next(iter(values.values()))["sizes"] = [{"as_expr": {"expr_str": expression, "hint": None}}]

    with pytest.raises(BundleError, match="is not arithmetic"):
        load_program(edited(members, "models/model.json", edit), "network.pt2")


def test_a_name_with_a_dot_does_not_become_an_assignment(members):
    text = json.dumps(json.loads(members["network/models/model.json"]))
    evil = text.replace('"numeric"', '"torch.load"').encode()
    with pytest.raises(BundleError, match="is not a plain name"):
        load_module(stored(members | {"network/models/model.json": evil}))


def test_a_graph_above_the_limit_is_not_parsed(members):
    large = members["network/models/model.json"] + b" " * 2**25
    with pytest.raises(BundleError, match=r"model\.json is larger than 32 MiB"):
        load_program(stored(members | {"network/models/model.json": large}), "network.pt2")


def of_arguments(keys, kind="builtins.tuple", context="null"):
    """A tree of two tensors, or of as many keyword arguments, as torch writes it."""
    leaf = {"type": None, "context": None, "children_spec": []}
    positional = {"type": kind, "context": context, "children_spec": [leaf] * (0 if keys else 2)}
    named = {"type": "builtins.dict", "context": json.dumps(keys), "children_spec": [leaf] * len(keys)}
    return json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": [positional, named]}])


def without_inputs(document, tree):
    """A network that gives back its first weight, whose arguments are those of a tree."""
    module = document["graph_module"]
    graph, signature, calls = module["graph"], module["signature"], module["module_call_graph"]
    weights = [number for number, entry in enumerate(signature["input_specs"]) if "parameter" in entry]
    graph["inputs"] = [graph["inputs"][number] for number in weights]
    signature["input_specs"] = [signature["input_specs"][number] for number in weights]
    graph |= {"nodes": [], "outputs": graph["inputs"][:1]}
    signature["output_specs"] = [{"user_output": {"arg": graph["inputs"][0]}}]
    calls[1:] = []
    calls[0]["signature"] |= {"inputs": [], "outputs": graph["inputs"][:1], "in_spec": tree, "forward_arg_names": None}


def test_names_of_arguments_do_not_become_code(members, tmp_path):
    touched = tmp_path / "touched"
    tree = of_arguments([f"x=open({str(touched)!r}, 'w')"])
    evil = edited(members, "models/model.json", lambda document: without_inputs(document, tree))
    with pytest.raises(BundleError, match="are not plain tuples and tensors"):
        load_module(evil)
    assert not touched.exists()


@pytest.mark.parametrize("field", ["in_spec", "out_spec"])
def test_a_tree_of_arguments_imports_no_module(members, tmp_path, monkeypatch, field):
    (tmp_path / "imported_by_a_tree.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    context = json.dumps({"__enum__": True, "fqn": "imported_by_a_tree:x", "name": "y"})

    def edit(document):
        document["graph_module"]["module_call_graph"][0]["signature"][field] = of_arguments([], context=context)

    with pytest.raises(BundleError, match="are not plain tuples and tensors"):
        load_module(edited(members, "models/model.json", edit))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "name", ["__class__.__base__.print_readable", "__class__", "a b", "a..b", "forward.__func__.x"]
)
def test_a_tensor_with_the_name_of_a_class_of_torch_does_not_change_it(members, name):
    config = json.loads(members["network/data/weights/model_weights_config.json"])
    entry = next(iter(config["config"].values())) | {"is_param": False, "path_name": "tensor_0"}
    members = members | {
        "network/data/constants/model_constants_config.json": json.dumps({"config": {name: entry}}).encode(),
        "network/data/constants/tensor_0": members["network/data/weights/weight_0"],
    }
    with pytest.raises(BundleError, match="is not a plain name"):
        load_module(stored(members))


@pytest.mark.parametrize("kind", ["as_operator", "as_graph", "as_custom_obj"])
def test_functions_and_graphs_as_arguments_are_refused(members, kind):
    def edit(document):
        document["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {kind: "torch.load"}

    with pytest.raises(BundleError, match="is more than tensors and numbers"):
        load_program(edited(members, "models/model.json", edit), "network.pt2")


def test_the_count_of_symbols_is_bounded(members):
    def edit(document):
        document["range_constraints"]["u99999999999"] = {"min_val": 2, "max_val": None}

    with pytest.raises(BundleError, match="the ranges of its sizes are damaged"):
        load_program(edited(members, "models/model.json", edit), "network.pt2")


def test_a_network_that_gives_no_answers_is_a_sentence(copy, members, tmp_path):
    leaf = {"type": None, "context": None, "children_spec": []}
    tree = json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": [leaf]}])

    def fails(document):
        signature(document)["forward_arg_names"] = ["numeric", "categorical", "more"]

    def gives_a_tuple(document):
        signature(document)["out_spec"] = tree

    def signature(document):
        return document["graph_module"]["module_call_graph"][0]["signature"]

    rows = mixed_frame(5)
    for edit, sentence in ((fails, "cannot compute an answer"), (gives_a_tuple, "does not give the 1 outputs")):
        (copy / "network.pt2").write_bytes(edited(members, "models/model.json", edit))
        prepared = tmp_path / edit.__name__
        for use in (
            lambda: ModelBundle.load(copy).predict(rows),
            lambda prepared=prepared: prepare_bundle(copy, prepared),
            lambda: _load_pyfunc(str(copy)).predict(rows),
        ):
            with pytest.raises(BundleError, match=sentence):
                use()


def test_weights_that_are_no_numbers_give_no_answers(copy, members):
    weights = {name: b"\xff" * len(data) for name, data in members.items() if "/weights/weight_" in name}
    (copy / "network.pt2").write_bytes(stored(members | weights))
    with pytest.raises(UnansweredError, match="row 1: its numbers are too large"):
        ModelBundle.load(copy).predict(mixed_frame(5))
