"""Networks have the right outputs, and mistakes in settings or in a user's class are sentences."""

import pytest
import torch

from orchestrator.architectures import FeatureShape, build_network
from orchestrator.errors import ArchitectureError

SHAPES = [FeatureShape(5, (), 1), FeatureShape(0, (4, 7), 3), FeatureShape(3, (10,), 1)]
MODULE = """
import torch
class Net(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)
    def forward(self, numeric, categorical):
        return self.layer(numeric)
class Wrong(Net):
    def forward(self, numeric, categorical):
        return numeric
class Raising(Net):
    def __init__(self, shape, settings):
        raise KeyError("width")
"""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("architecture", ["mlp", "resnet"])
def test_outputs_have_the_shape_of_the_task(architecture, normalization, shape):
    network = build_network(architecture, shape, {"depth": 2, "width": 8, "normalization": normalization}).eval()
    numeric = torch.randn(6, shape.numeric)
    codes = torch.stack([torch.randint(0, count, (6,)) for count in shape.cardinalities] or [torch.zeros(6)], 1).long()
    output = network(numeric, codes[:, : len(shape.cardinalities)])
    assert output.shape == (6, shape.outputs)


def test_a_category_never_seen_adds_nothing():
    network = build_network("mlp", FeatureShape(0, (5,), 1), {"depth": 0}).eval()
    unseen = network(torch.zeros(1, 0), torch.tensor([[0]]))
    assert torch.equal(unseen, network.output.bias[None])


@pytest.mark.parametrize(
    ("architecture", "settings", "sentence"),
    [
        ("mpl", {}, "architecture 'mpl' is not known"),
        ("mlp", {"dept": 2}, "did you mean depth"),
        ("mlp", {"depth": "two"}, "depth must be of type int"),
        ("mlp", {"depth": True}, "depth must be of type int"),
        ("mlp", {"depth": -1}, "depth is -1"),
        ("mlp", {"dropout": 1.5}, "dropout is 1.5"),
        ("mlp", {"activation": "reul"}, "activation 'reul' is not known"),
        ("resnet", {"normalization": "group"}, "normalization 'group' is not known"),
        ("nowhere.module:Net", {}, "importing nowhere.module raised ModuleNotFoundError"),
        ("own_networks:Absent", {}, "no torch.nn.Module named Absent"),
        ("own_networks:Wrong", {}, r"must return a tensor of shape \(2, 1\), but returned \(2, 3\)"),
        ("own_networks:Raising", {}, "raised KeyError"),
    ],
)
def test_mistakes_are_sentences(tmp_path, monkeypatch, architecture, settings, sentence):
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ArchitectureError, match=sentence):
        build_network(architecture, FeatureShape(3, (), 1), settings)


def test_a_users_network_is_built(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    network = build_network("own_networks:Net", FeatureShape(3, (), 2), {})
    assert network.layer.out_features == 2
