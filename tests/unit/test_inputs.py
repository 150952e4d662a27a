"""Named inputs: a network gets what its `forward` names, from training to the endpoint."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from support import mixed_frame, prepare_bundle
from torch import nn

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.engines import load
from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.errors import ArchitectureError, BundleError
from orchestrator.inputs import Inputs
from orchestrator.networks import inputs_taken
from orchestrator.training import TrialSpec, train_trial

NAMES = ("numeric", "categorical")
NETWORKS = """
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.layer = nn.Linear(shape.numeric, shape.outputs)
        self.register_buffer("shift", torch.zeros(shape.numeric))

class Numbers(Base):
    def forward(self, numeric):
        return self.layer(numeric - self.shift)

class Turned(Base):
    def forward(self, categorical, numeric, image=None):
        return self.layer(numeric - self.shift) + categorical.sum(dim=1, keepdim=True)

class Fitted(Base):
    calls = []
    def fit_inputs(self, inputs):
        self.calls.append({name: tensor.clone() for name, tensor in inputs.items()})
        self.shift.copy_(inputs["numeric"].median(dim=0).values)
    def forward(self, numeric):
        return self.layer(numeric - self.shift)
"""


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(mixed_frame(120), DataOptions(target="label"))


@pytest.fixture
def networks(tmp_path, monkeypatch):
    (tmp_path / "named_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "named_networks", raising=False)
    return __import__("named_networks")


def network_with(signature):
    """A network whose forward has these arguments."""
    scope = {"nn": nn}
    exec(f"class Net(nn.Module):\n    def forward(self, {signature}):\n        return 0", scope)
    return scope["Net"]()


@pytest.mark.parametrize(
    ("signature", "taken"),
    [
        ("numeric, categorical", NAMES),
        ("categorical, numeric", ("categorical", "numeric")),
        ("numeric", ("numeric",)),
        ("categorical, scale=2.0", ("categorical",)),
        ("numeric, categorical, text=None", NAMES),
        # the contract of two arguments
        ("x, y", NAMES),
        ("numbers, codes, more=1", NAMES),
        ("numeric, codes", NAMES),
        ("*inputs", NAMES),
    ],
)
def test_a_network_gets_what_its_arguments_name(signature, taken):
    assert inputs_taken(network_with(signature), NAMES) == taken


@pytest.mark.parametrize(
    "signature", ["", "x", "x, y, z", "numeric, categorical, image", "*, numeric", "a, numeric, b"]
)
def test_what_cannot_be_given_is_a_sentence(signature):
    with pytest.raises(ArchitectureError, match=r"Net\.forward takes .*, but the inputs are numeric, categorical;"):
        inputs_taken(network_with(signature), NAMES)


@pytest.mark.parametrize("name", ["Numbers", "Turned"])
def test_the_names_are_followed_into_bundles_and_engines(dataset, networks, tmp_path, name):
    spec = TrialSpec(architecture=f"named_networks:{name}", settings={}, metric="log_loss", epochs=1)
    kept = []
    list(train_trial(spec, dataset, on_best=kept.append))
    make_bundle(kept[0], dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    taken = {"Numbers": ("numeric",), "Turned": ("categorical", "numeric")}[name]
    assert bundle.inputs == taken
    frame = mixed_frame(20, seed=3)
    columns = {column: frame[column].astype(object).where(frame[column].notna(), None).tolist() for column in frame}
    encoded = ColumnarEncoder(bundle.schema, bundle.encoder).encode(columns, 20)
    wanted = bundle.outputs(pd.DataFrame(columns))
    for execution in ("torch", "onnxruntime"):
        folder = tmp_path / execution
        network = load(folder, prepare_bundle(tmp_path / "bundle", folder, execution), taken, 1)
        np.testing.assert_allclose(network(encoded), wanted, atol=1e-5)


@pytest.mark.parametrize("inputs", [[], ["numeric", "numeric"], ["numeric", "image"], "numeric", [1]])
def test_inputs_that_the_encoder_does_not_make_are_damage(dataset, tmp_path, inputs):
    network = nn.Linear(dataset.encoder.numeric_width, 1)
    network.forward = lambda numeric: nn.Linear.forward(network, numeric)
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    file = tmp_path / "bundle" / "encoder.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"inputs": inputs}))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
        ModelBundle.load(tmp_path / "bundle")


def test_a_network_sees_all_training_inputs_once_before_its_first_step(dataset, networks):
    spec = TrialSpec(architecture="named_networks:Fitted", settings={}, metric="log_loss", epochs=2)
    kept = []
    list(train_trial(spec, dataset, on_best=kept.append))
    (seen,) = networks.Fitted.calls
    assert list(seen) == ["numeric"]
    numeric = torch.from_numpy(dataset.train.inputs["numeric"])
    assert torch.equal(seen["numeric"], numeric)
    assert torch.equal(kept[0].shift, numeric.median(dim=0).values)


def test_of_rows_that_have_to_be_read_a_network_sees_some(networks, tmp_path, monkeypatch):
    mixed_frame(400).to_parquet(tmp_path / "a.parquet", row_group_size=50)
    monkeypatch.setattr("orchestrator.training.loop.FITTED_ROWS", 70)
    streamed = open_dataset(tmp_path, DataOptions(target="label"))
    list(
        train_trial(TrialSpec(architecture="named_networks:Fitted", settings={}, metric="log_loss", epochs=1), streamed)
    )
    assert len(networks.Fitted.calls[0]["numeric"]) == 70


def test_rows_of_all_inputs_are_taken_and_joined_together():
    inputs = Inputs({"numeric": np.arange(6.0).reshape(3, 2), "categorical": np.arange(3)[:, None]})
    assert len(inputs) == 3
    parts = list(inputs.split(2))
    assert [len(part) for part in parts] == [2, 1]
    joined = Inputs.joined(parts)
    taken = joined.take(np.array([2, 0]))
    assert taken["numeric"].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert taken["categorical"].tolist() == [[2], [0]]
    assert inputs.between(0, 3, 2)["categorical"].tolist() == [[0], [2]]
