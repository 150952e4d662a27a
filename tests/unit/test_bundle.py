"""Bundles give the training process's numbers, and never run code."""

import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame, quick_model, train_bundle
from torch import nn

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.archive import export_network, load_network
from orchestrator.data import DataOptions, Distribution, Part, open_dataset
from orchestrator.errors import BundleError, InvalidValueError
from orchestrator.inputs import Inputs
from orchestrator.networks import FeatureShape


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    frame = mixed_frame(300)
    network, dataset = quick_model(frame, "label", architecture="resnet", depth=2, width=16, dropout=0.3)
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    make_bundle(network, dataset, {"metric": "roc_auc"}).save(path)
    return network, dataset, path, frame


ROW = st.fixed_dictionaries(
    {
        "number": st.one_of(st.none(), st.floats(-1e12, 1e12), st.integers(-100, 100)),
        "color": st.one_of(st.none(), st.sampled_from(["red", "green", "blue", "violet", "NA"]), st.text(max_size=5)),
        "flag": st.sampled_from([True, False, None, "true", 0]),
        "day": st.one_of(st.none(), st.datetimes().map(lambda moment: moment.replace(year=2000).isoformat())),
    }
)


@given(rows=st.lists(ROW, min_size=1, max_size=6), order=st.randoms())
def test_a_loaded_bundle_answers_as_the_trained_network(trained, rows, order):
    network, dataset, path, _ = trained
    bundle = loaded(path)
    columns = list(rows[0])
    order.shuffle(columns)
    frame = pd.DataFrame(rows, dtype=object)[columns]
    numeric, categorical = dataset.encoder.transform(dataset.schema, frame).arrays.values()
    with torch.no_grad():
        outputs = network(torch.from_numpy(numeric), torch.from_numpy(categorical)).numpy()
    expected = dataset.schema.target.task.probabilities(outputs)
    together = bundle.predict(frame)
    names = [f"probability_{label}" for label in dataset.schema.target.task.classes]
    assert np.allclose(together[names].to_numpy(), expected, atol=1e-5)
    for position in range(len(frame)):
        alone = bundle.predict(frame.iloc[[position]])
        assert np.allclose(alone[names].to_numpy()[0], expected[position], atol=1e-5)


LOADED: dict[object, ModelBundle] = {}


def loaded(path):
    if path not in LOADED:
        LOADED[path] = ModelBundle.load(path)
    return LOADED[path]


def test_no_rows_give_no_answers(trained):
    _, _, path, frame = trained
    assert len(loaded(path).predict(frame.head(0))) == 0


def test_answers_keep_the_index_and_labels_their_type(tmp_path):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": [0, 1] * 20})
    bundle = train_bundle(frame, "y", tmp_path / "bundle")
    answers = bundle.predict(frame.sample(frac=1, random_state=0))
    assert answers.index.tolist() == frame.sample(frac=1, random_state=0).index.tolist()
    assert {type(label) for label in bundle.answer(frame).values["label"]} == {int}
    assert list(answers.columns) == ["label", "probability_0", "probability_1"]


def test_regression_answers_in_the_targets_unit(tmp_path):
    bundle = train_bundle("sklearn:diabetes", None, tmp_path / "bundle")
    from sklearn.datasets import load_diabetes

    answers = bundle.predict(load_diabetes(as_frame=True).data)
    assert list(answers.columns) == ["value"]
    assert 50 < answers["value"].mean() < 250


def test_the_example_in_a_bundle_has_the_bundles_answers(trained):
    bundle = loaded(trained[2])
    answers = bundle.answer(pd.DataFrame(bundle.example["rows"])).records()
    for found, stored in zip(answers, bundle.example["answers"], strict=True):
        assert found["label"] == stored["label"]
        assert found["probabilities"] == pytest.approx(stored["probabilities"], abs=1e-5)


def test_a_missing_column_is_named(trained):
    with pytest.raises(InvalidValueError, match="'day' is missing"):
        loaded(trained[2]).predict(mixed_frame(2).drop(columns="day"))


def test_nothing_in_a_bundle_is_a_pickle(trained):
    path = trained[2]
    assert sorted(entry.name for entry in path.iterdir()) == [
        "background.json",
        "distribution.json",
        "encoder.json",
        "example.json",
        "metrics.json",
        "network.pt2",
        "schema.json",
    ]
    with zipfile.ZipFile(path / "network.pt2") as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not zipfile.is_zipfile(io.BytesIO(content)), name
            if content[:1] == b"\x80":
                with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError)):
                    pickle.loads(content)
        assert b"/" + b"orchestrator" not in archive.read("network/models/model.json")


def rewrite(source, target, change):
    """Copies a pt2 archive, with `change(name, content) -> content` applied to its members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))
    return target


def in_model(edit):
    def change(name, content):
        if not name.endswith("models/model.json"):
            return content
        document = json.loads(content)
        edit(document)
        return json.dumps(document).encode()

    return change


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def set_guard(document):
    document["guards_code"] = ["__import__('os').system('true')"]


def set_target(operator):
    def edit(document):
        document["graph_module"]["graph"]["nodes"][0]["target"] = operator

    return edit


def set_expression(document):
    text = json.dumps(document)
    assert "Symbol('s" in text
    evil = json.loads(text.replace("Symbol('s", "__import__('os').system('s"))
    document.clear()
    document.update(evil)


def set_name(document):
    document["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"]["as_tensor"]["name"] = "x); import os  #"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda name, data: pickle.dumps(Evil()) if name.endswith("sample_inputs/model.pt") else data, "is a pickle"),
        (in_model(set_guard), "guard code"),
        (in_model(set_target("torch.os.system")), "may not hold"),
        (in_model(set_target("torch.load")), "may not hold"),
        (in_model(set_target("torch.ops.aten.save.default")), "may not hold|opens files"),
        (in_model(set_target("torch.ops.aten.from_file.default")), "opens files"),
        (in_model(set_target("_operator.methodcaller")), "may not hold"),
        (in_model(set_expression), "is not arithmetic"),
        (in_model(set_name), "is not a plain name"),
        (
            lambda name, data: data.replace(b'"use_pickle": false', b'"use_pickle": true'),
            "stored as a pickle",
        ),
    ],
)
def test_an_archive_that_could_run_code_is_refused(trained, tmp_path, change, sentence):
    evil = rewrite(trained[2] / "network.pt2", tmp_path / "network.pt2", change)
    with pytest.raises(BundleError, match=sentence):
        load_network(evil)


def test_an_archive_with_a_stranger_or_a_double_is_refused(trained, tmp_path):
    source = trained[2] / "network.pt2"
    for name, sentence in (("network/code/evil.py", "not plain data"), ("network/models/model.json", "same name")):
        evil = rewrite(source, tmp_path / "network.pt2", lambda _name, data: data)
        with zipfile.ZipFile(evil, "a") as archive:
            archive.writestr(name, "{}")
        with pytest.raises(BundleError, match=sentence):
            load_network(evil)


def test_a_rewritten_but_honest_archive_loads(trained, tmp_path):
    load_network(rewrite(trained[2] / "network.pt2", tmp_path / "network.pt2", lambda _name, data: data))


@pytest.mark.parametrize("damage", ["missing", "stranger", "json", "format", "truncated"])
def test_a_damaged_bundle_is_a_sentence(trained, tmp_path, damage):
    path = tmp_path / "bundle"
    path.mkdir()
    for entry in trained[2].iterdir():
        (path / entry.name).write_bytes(entry.read_bytes())
    if damage == "missing":
        (path / "encoder.json").unlink()
    elif damage == "stranger":
        (path / "setup.py").write_text("")
    elif damage == "json":
        (path / "schema.json").write_text("{")
    elif damage == "format":
        (path / "schema.json").write_text('{"format": 99}')
    else:
        content = (path / "network.pt2").read_bytes()
        (path / "network.pt2").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"bundle|schema\.json|network\.pt2"):
        ModelBundle.load(path)


def copied(source, target, **files):
    """A copy of a bundle's folder with some of its files (their names without .json) replaced, or left out (None)."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.stem not in files:
            (target / entry.name).write_bytes(entry.read_bytes())
        elif files[entry.stem] is not None:
            (target / entry.name).write_text(files[entry.stem])
    return target


def test_a_bundle_knows_how_its_training_rows_are_distributed(trained):
    _, dataset, path, _ = trained
    distribution = loaded(path).distribution
    assert list(distribution.columns) == [column.name for column in dataset.schema.columns]
    counts = distribution.bin_rows(dataset.train.inputs)
    assert {name: tuple(found.tolist()) for name, found in counts.items()} == distribution.columns
    assert all(sum(found) == len(dataset.train) for found in distribution.columns.values())


def test_the_distribution_of_a_folder_is_that_of_its_training_rows_up_to_a_limit(trained, tmp_path, monkeypatch):
    network, _, _, _ = trained
    mixed_frame(900).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    streamed = open_dataset(tmp_path, DataOptions(target="label"))
    inputs = Inputs.joined([part.inputs for part in streamed.rows(Part.TRAIN)])
    everything = make_bundle(network, streamed, {}).distribution
    assert everything == Distribution.of(streamed.schema, streamed.encoder, inputs)
    monkeypatch.setattr("orchestrator.bundle.bundle.DISTRIBUTION_ROWS", 150)
    limited = make_bundle(network, streamed, {}).distribution
    assert {sum(counts) for counts in limited.columns.values()} == {150}
    # not of the first days only
    assert limited.bins["day"].edges[-1] > 0.5


def test_an_older_bundle_without_a_distribution_answers(trained, tmp_path):
    _, _, path, frame = trained
    older = ModelBundle.load(copied(path, tmp_path / "older", distribution=None))
    assert older.distribution is None
    pd.testing.assert_frame_equal(older.predict(frame), loaded(path).predict(frame))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"columns": {}}',
        '{"columns": {"number": {}}}',
        '{"columns": {"number": {"kind": "numeric", "place": 99, "missing": null, "edges": [], "counts": [1]}}}',
    ],
)
def test_a_damaged_distribution_is_a_sentence(trained, tmp_path, content):
    with pytest.raises(BundleError, match=r"distribution\.json"):
        ModelBundle.load(copied(trained[2], tmp_path / "bundle", distribution=content))


def test_saving_over_something_is_refused(trained, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="exists and is not an empty folder"):
        loaded(trained[2]).save(tmp_path)
    assert (tmp_path / "file").read_text() == "mine"


class Branching(nn.Module):
    def forward(self, numeric, categorical):
        return numeric if numeric.sum() > 0 else -numeric


def test_a_network_that_cannot_be_exported_is_a_sentence(tmp_path):
    with pytest.raises(BundleError, match="cannot be exported"):
        export_network(Branching(), FeatureShape.of_table(2, (), 1).inputs, tmp_path / "network.pt2")
