"""Networks have the right outputs, and mistakes in settings or in a user's class are sentences."""

import sys

import pytest
import torch

from orchestrator.config import SweepConfig
from orchestrator.errors import ArchitectureError, SearchSpaceError
from orchestrator.networks import FeatureShape, build_network, never_read, settings_asked_for
from orchestrator.runtime.planning import plan_sweep
from orchestrator.runtime.train import train

SHAPES = [FeatureShape.of_table(5, (), 1), FeatureShape.of_table(0, (4, 7), 3), FeatureShape.of_table(3, (10,), 1)]
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
    network = build_network("mlp", FeatureShape.of_table(0, (5,), 1), {"depth": 0}).eval()
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
        build_network(architecture, FeatureShape.of_table(3, (), 1), settings)


def test_a_users_network_is_built(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    network = build_network("own_networks:Net", FeatureShape.of_table(3, (), 2), {})
    assert network.layer.out_features == 2


NETWORKS = """
import torch
from dataclasses import dataclass

class Base(torch.nn.Module):
    def __init__(self, shape, width):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(shape.numeric, width), torch.nn.Linear(width, shape.outputs))
    def forward(self, numeric, categorical):
        return self.layers(numeric)

class Gets(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, settings.get("width", 4))

class Indexes(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, settings["width"] if "width" in settings else 4)

class Pops(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, settings.pop("width", 4))
        assert type(settings) is dict or isinstance(settings, dict)

class Unpacks(Base):
    def __init__(self, shape, settings):
        self.build(shape, **settings)
    def build(self, shape, width=4):
        super().__init__(shape, width)

class TakesAll(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, {"width": 4, **settings}["width"])

class Late(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, 4)
        self.settings = settings
    def forward(self, numeric, categorical):
        return self.layers(numeric) * self.settings.get("width", 1)

class Depends(Base):
    def __init__(self, shape, settings):
        super().__init__(shape, settings["width"] if settings.get("kind", "wide") == "wide" else 4)
"""


@pytest.fixture(scope="module", autouse=True)
def watched_networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    (folder / "watched.py").write_text(NETWORKS)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


SHAPE = FeatureShape.of_table(3, (), 1)


@pytest.mark.parametrize("name", ["Gets", "Indexes", "Pops", "Late"])
def test_a_setting_that_a_network_never_reads_is_noticed(name):
    settings = {"widht": 8}
    asked = settings_asked_for(f"watched:{name}", SHAPE, [settings], settings)
    assert asked == {"width"}
    assert never_read(f"watched:{name}", "widht", asked).endswith(
        "never reads the setting 'widht'; did you mean width?"
    )
    assert settings_asked_for(f"watched:{name}", SHAPE, [{"width": 8}], ["width"]) == {"width"}


def test_a_network_that_names_its_settings_refuses_others_itself():
    with pytest.raises(ArchitectureError, match="unexpected keyword argument 'widht'"):
        settings_asked_for("watched:Unpacks", SHAPE, [{"widht": 8}], ["widht"])
    assert settings_asked_for("watched:Unpacks", SHAPE, [{"width": 8}], ["width"]) == {"width"}


def test_who_takes_all_settings_has_read_them_all():
    assert settings_asked_for("watched:TakesAll", SHAPE, [{"width": 8, "depth": 1}], []) == {"width", "depth"}


def test_a_setting_that_only_some_configurations_read_counts_as_read():
    candidates = [{"kind": "flat", "width": 8}, {"kind": "wide", "width": 8}]
    assert settings_asked_for("watched:Depends", SHAPE, candidates, ["kind", "width"]) == {"kind", "width"}
    assert settings_asked_for("watched:Depends", SHAPE, candidates[:1], ["kind", "width"]) == {"kind"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "architectures:\n  watched:Gets:\n    widht: 8",
            "line 3, architectures.watched:Gets.widht: .*did you mean width",
        ),
        (
            "parameters:\n  widht: 8\narchitectures:\n  watched:Gets: {}",
            "line 2, parameters.widht: .*did you mean width",
        ),
        (
            "parameters:\n  learning_rat: 0.1\narchitectures:\n  watched:Gets: {}",
            "line 2, parameters.learning_rat: .*did you mean learning_rate",
        ),
    ],
)
def test_a_setting_of_a_search_space_that_nobody_reads_is_refused(tmp_path, text, sentence):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(SearchSpaceError, match=sentence):
        plan_sweep(SweepConfig.create(data="sklearn:iris", space=str(tmp_path / "space.yaml")))


def test_what_built_in_networks_share_a_network_of_ones_own_need_not_read():
    plan = plan_sweep(SweepConfig.create(data="sklearn:iris", architecture="watched:Gets"))
    assert list(plan.sampler.space.architectures) == ["watched:Gets"]


def test_train_refuses_a_setting_that_is_never_read(tmp_path):
    with pytest.raises(ArchitectureError, match="never reads the setting 'widht'; did you mean width"):
        train(
            "sklearn:iris", architecture="watched:Gets", parameters={"widht": 64}, tracking_uri="sqlite:////nowhere/x"
        )
