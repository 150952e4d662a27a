"""What computes in an endpoint: onnxruntime where it gives the same and is faster, else torch with a reason."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame, prepare_bundle, quick_model
from torch import nn

from orchestrator.bundle import make_bundle
from orchestrator.bundle.archive import export_network, read_program
from orchestrator.bundle.engines import (
    Execution,
    choose,
    convert,
    largest_difference,
    load,
    load_onnx,
    load_torch,
)
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import BundleError, ServingError
from orchestrator.inputs import Inputs
from orchestrator.networks import FeatureShape
from orchestrator.serving.inference.prepared_model import load_prepared

EXECUTIONS = ("torch", "onnxruntime")
SPECS = FeatureShape.of_table(3, (4, 2), 2).inputs
NAMES, OUTPUTS = ("numeric", "categorical"), 2


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(4, 2)
        self.last = nn.Linear(5, 2)

    def forward(self, numeric, categorical):
        return self.last(torch.cat([numeric, self.embedding(categorical[:, 0])], dim=1))


class WithoutCounterpart(nn.Module):
    """ONNX has no logarithm of the gamma function."""

    def forward(self, numeric, categorical):
        return torch.lgamma(numeric.abs() + 1)[:, :1]


class Chaotic(nn.Module):
    """Makes the last bit, which processors and libraries may round as they like, the first one."""

    def forward(self, numeric, categorical):
        for _ in range(6):
            numeric = torch.tanh(torch.sin(numeric * 9))
        return numeric[:, :1]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Class -> folder with its exported network."""
    torch.manual_seed(0)
    folders = {}
    for network in (Plain(), WithoutCounterpart(), Chaotic()):
        folders[type(network)] = tmp_path_factory.mktemp("network")
        export_network(network, SPECS, folders[type(network)] / "network.pt2")
    return folders


@pytest.fixture(scope="module")
def converted(exported, tmp_path_factory):
    """`Plain` as ONNX."""
    path = tmp_path_factory.mktemp("converted") / "network.onnx"
    convert(read_program(exported[Plain] / "network.pt2"), path, NAMES)
    return path


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_auto_takes_onnxruntime_for_a_small_network(exported):
    folder = exported[Plain]
    chosen = choose(read_program(folder / "network.pt2"), folder, SPECS, OUTPUTS)
    assert chosen.name == "onnxruntime"
    assert "us a row against" in chosen.reason
    assert 0 < chosen.one_row < 0.01
    assert names(folder) == {"network.pt2", "network.onnx"}
    reference = load_torch(folder / "network.pt2", NAMES, OUTPUTS)
    assert largest_difference(reference, load(folder, chosen, NAMES, OUTPUTS), SPECS) <= 1e-5


def test_what_is_asked_for_is_taken(exported, tmp_path):
    (tmp_path / "network.pt2").write_bytes((exported[Plain] / "network.pt2").read_bytes())
    chosen = choose(read_program(tmp_path / "network.pt2"), tmp_path, SPECS, OUTPUTS, "torch")
    assert (chosen.name, chosen.reason) == ("torch", "asked for")
    assert names(tmp_path) == {"network.pt2"}
    assert choose(read_program(tmp_path / "network.pt2"), tmp_path, SPECS, OUTPUTS, "onnxruntime").name == "onnxruntime"
    assert names(tmp_path) == {"network.pt2", "network.onnx"}


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (WithoutCounterpart, r"onnxruntime cannot be used: .*cannot be converted to ONNX \(.*lgamma"),
        (Chaotic, r"its outputs differ by .* from those of torch, more than 1e-05"),
    ],
)
def test_what_onnx_cannot_express_or_computes_otherwise_stays_with_torch(exported, network, reason):
    folder = exported[network]
    chosen = choose(read_program(folder / "network.pt2"), folder, SPECS, 1)
    assert chosen.name == "torch"
    assert pd.Series([chosen.reason]).str.contains(reason).item(), chosen.reason
    assert chosen.reason.isprintable()
    assert names(folder) == {"network.pt2"}
    with pytest.raises(ServingError, match=f"{reason}.*use --execution torch"):
        choose(read_program(folder / "network.pt2"), folder, SPECS, 1, "onnxruntime")
    assert names(folder) == {"network.pt2"}


def test_a_difference_is_seen(converted, tmp_path):
    torch.manual_seed(1)
    export_network(Plain(), SPECS, tmp_path / "network.pt2")
    first = load_torch(tmp_path / "network.pt2", NAMES, OUTPUTS)
    other = load_onnx(converted, OUTPUTS)
    assert largest_difference(first, first, SPECS) == 0
    assert largest_difference(first, other, SPECS) > 0.1


def test_answers_that_do_not_fit_are_refused_by_both_executions(exported, converted):
    inputs = Inputs({"numeric": np.zeros((5, 3), np.float32), "categorical": np.zeros((5, 2), np.int64)})
    for network in (load_torch(exported[Plain] / "network.pt2", NAMES, 3), load_onnx(converted, 3)):
        with pytest.raises(BundleError, match="does not give the 3 outputs for each row"):
            network(inputs)


@pytest.mark.parametrize("wanted", ["auto", "torch", "onnxruntime"])
def test_codes_that_the_encoder_gives_and_the_network_does_not_take_are_a_sentence(exported, tmp_path, wanted):
    (tmp_path / "network.pt2").write_bytes((exported[Plain] / "network.pt2").read_bytes())
    with pytest.raises(BundleError, match="cannot compute an answer"):
        choose(
            read_program(tmp_path / "network.pt2"),
            tmp_path,
            FeatureShape.of_table(3, (5, 2), 2).inputs,
            OUTPUTS,
            wanted,
        )


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (1.0, 1.0, 0.0),
        (np.inf, np.inf, 0.0),
        (np.nan, np.nan, 0.0),
        (1.0, np.nan, np.inf),
        (np.nan, 1.0, np.inf),
        (np.inf, -np.inf, np.inf),
        (np.inf, 1.0, np.inf),
        (0.0, 0.5, 0.5),
        (100.0, 101.0, pytest.approx(0.01)),
    ],
)
def test_outputs_that_are_no_numbers_differ_from_those_that_are(one, other, difference):
    def constant(value):
        return lambda inputs: np.full((len(inputs), 1), value, np.float32)

    assert largest_difference(constant(one), constant(other), SPECS) == difference


def test_onnxruntime_takes_any_number_of_rows(exported, converted):
    network = load_onnx(converted, OUTPUTS)
    reference = load_torch(exported[Plain] / "network.pt2", NAMES, OUTPUTS)
    for rows in (0, 1, 3, 1000):
        inputs = Inputs({"numeric": np.ones((rows, 3), np.float32), "categorical": np.ones((rows, 2), np.int64)})
        assert network(inputs).shape == (rows, 2)
        np.testing.assert_allclose(network(inputs), reference(inputs), atol=1e-5)


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(1, 9999))
def test_more_rows_never_take_less_time(one_row, many_rows, rows):
    execution = Execution("torch", "", one_row, many_rows)
    assert execution.seconds(1) == one_row
    assert execution.seconds(64) == pytest.approx(max(one_row, many_rows))
    assert execution.seconds(rows) <= execution.seconds(rows + 1)
    assert Execution(**json.loads(json.dumps(execution.to_json()))) == execution


# -- prepared models ---------------------------------------------------------------------------------------------------

MIXED = mixed_frame()
TABLES = {
    "mixed": MIXED,
    "without categorical columns": MIXED[["number", "flag", "day", "label"]],
    "without numeric columns": MIXED[["color", "label"]].assign(size=MIXED["number"].map(lambda x: f"{x:.0f} cm")),
}


@pytest.fixture(scope="module", params=TABLES)
def trained(request, tmp_path_factory):
    """A bundle around the trained module, its rows, and the folder of what was written of it."""
    table = TABLES[request.param]
    module = make_bundle(*quick_model(table, "label"), {"metric": "log_loss"})
    path = tmp_path_factory.mktemp("trained") / "bundle"
    module.save(path)
    return module, table.drop(columns="label"), path


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_prepared_model_answers_as_the_trained_module(trained, tmp_path, execution):
    module, frame, path = trained
    assert prepare_bundle(path, tmp_path / "prepared", execution).name == execution
    assert ("network.onnx" in names(tmp_path / "prepared")) == (execution == "onnxruntime")
    assert ("network.pt2" in names(tmp_path / "prepared")) == (execution == "torch")
    model = load_prepared(tmp_path / "prepared")
    columns = {name: json.loads(frame[name].to_json(orient="values")) for name in frame}
    columns = {name: [*cells, None] for name, cells in columns.items()}
    found = model.answers(model.network(model.encode(columns, len(frame) + 1)))
    expected = module.answer(pd.DataFrame(columns, dtype=object))
    np.testing.assert_allclose(found.values["probabilities"], expected.values["probabilities"], atol=1e-5)
    assert found.values["label"] == expected.values["label"]
    assert model.description == module.description()
    assert model.execution.name == execution


def test_a_prepared_network_that_onnx_cannot_express_answers(tmp_path):
    dataset = open_dataset(quick_table(), DataOptions(target="label"))
    bundle = make_bundle(WithoutCounterpart(), dataset, {})
    bundle.save(tmp_path / "bundle")
    assert prepare_bundle(tmp_path / "bundle", tmp_path / "prepared").name == "torch"
    model = load_prepared(tmp_path / "prepared")
    columns = {name: MIXED[name].head(5).tolist() for name in ("number", "flag")}
    found = model.answers(model.network(model.encode(columns, 5)))
    np.testing.assert_allclose(
        found.values["probabilities"], bundle.answer(MIXED.head(5)).values["probabilities"], atol=1e-5
    )


def quick_table():
    from orchestrator.data import load_table

    return load_table(MIXED[["number", "flag", "label"]])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Execution -> folder."""
    folder = tmp_path_factory.mktemp("prepared")
    make_bundle(*quick_model(MIXED, "label"), {"metric": "log_loss"}).save(folder / "bundle")
    for execution in EXECUTIONS:
        prepare_bundle(folder / "bundle", folder / execution, execution)
    return {execution: folder / execution for execution in EXECUTIONS}


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other bytes": lambda path: path.write_bytes(b"\x08\xff" * 50),
    "other JSON": lambda path: path.write_text("[1]"),
    "an empty object": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_damaged_folder_is_a_sentence_that_names_it(prepared, tmp_path, execution, damage):
    network = {"torch": "network.pt2", "onnxruntime": "network.onnx"}[execution]
    damaged = 0
    for name in ("schema.json", "encoder.json", "prepared.json", "distribution.json", network):
        if name == "distribution.json" and damage == "missing":
            # older bundles have none
            continue
        folder = tmp_path / f"{damaged}-prepared"
        folder.mkdir()
        for path in prepared[execution].iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        DAMAGES[damage](folder / name)
        with pytest.raises(BundleError, match=f"{damaged}-prepared"):
            load_prepared(folder)
        damaged += 1
    assert damaged >= 4


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(BundleError, match="nowhere: the prepared model cannot be read"):
        load_prepared(tmp_path / "nowhere")
