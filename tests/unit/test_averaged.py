"""Several networks as one: its answers are the mean of theirs, exported, in torch and in onnxruntime."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.bundle.archive import export_network, load_network, read_program
from orchestrator.bundle.engines import convert, load_onnx
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs, InputSpec
from orchestrator.networks import Averaged, FeatureShape, build_network, inputs_taken
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.regression import Regression

TASKS = [Binary(("a", "b")), Multiclass(("a", "b", "c")), Regression()]
MEAN = partial(Regression().average, TargetEncoder())
SHAPES = {task.kind: FeatureShape.of_table(3, (4,), task.outputs) for task in TASKS}


class Numbers(torch.nn.Module):
    """Takes one of the inputs."""

    def __init__(self, outputs):
        super().__init__()
        self.layer = torch.nn.Linear(3, outputs)

    def forward(self, numeric):
        return self.layer(numeric)


def averaged(task, counts):
    torch.manual_seed(len(counts))
    shape = SHAPES[task.kind]
    members = [build_network("mlp", shape, {"depth": 1, "width": 4}).eval() for _ in counts[1:]]
    members.append(Numbers(task.outputs))
    return Averaged(members, partial(task.average, TargetEncoder()), shape.names, counts).eval(), shape


def rows(count):
    return torch.randn(count, 3), torch.randint(0, 4, (count, 1))


@pytest.mark.parametrize("task", TASKS, ids=str)
@settings(max_examples=8, deadline=None)
@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_answers_are_the_weighted_mean_of_the_members_answers(task, counts):
    network, shape = averaged(task, counts)
    numeric, categorical = rows(5)
    encoder = TargetEncoder(mean=2.0, std=3.0)
    with torch.no_grad():
        found = task.predictions(encoder, network(numeric, categorical).numpy())
        inputs = {NUMERIC: numeric, CATEGORICAL: categorical}
        outputs = [
            member(*(inputs[name] for name in inputs_taken(member, shape.names))).numpy() for member in network.members
        ]
    each = [task.predictions(encoder, output) for output in outputs]
    for column in task.answers:
        if not column.labels:
            wanted = np.average([item.values[column.name] for item in each], axis=0, weights=counts)
            assert found.values[column.name] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_it_is_exported_for_any_number_of_rows(tmp_path):
    task = TASKS[0]
    network, shape = averaged(task, [2, 1])
    assert inputs_taken(network, shape.names) == (NUMERIC, CATEGORICAL)
    export_network(network, shape.inputs, tmp_path / "network.pt2")
    convert(read_program(tmp_path / "network.pt2"), tmp_path / "network.onnx", shape.names)
    read, onnx = load_network(tmp_path / "network.pt2"), load_onnx(tmp_path / "network.onnx", task.outputs)
    for count in (1, 7, 300):
        inputs = rows(count)
        with torch.no_grad():
            wanted = network(*inputs).numpy()
            assert read(*inputs).numpy() == pytest.approx(wanted, abs=1e-6)
        assert onnx(
            Inputs({name: item.numpy() for name, item in zip(shape.names, inputs, strict=True)})
        ) == pytest.approx(wanted, abs=1e-5)


def test_it_takes_texts_where_the_data_has_some():
    shape = FeatureShape(
        (*FeatureShape.of_table(3, (), 1).inputs, InputSpec(name=TEXT, dtype="int64", shape=(None,), codes=(8,))), 1
    )
    member = build_network("mlp", shape, {})
    for name, weight in member.named_parameters():
        if name.endswith("table.weight"):
            # an untrained one says nothing
            torch.nn.init.normal_(weight)
    network = Averaged([member, Numbers(1)], MEAN, shape.names)
    assert inputs_taken(network, shape.names) == (NUMERIC, CATEGORICAL, TEXT)
    one, other = (
        network.eval()(torch.zeros(2, 3), torch.zeros(2, 0, dtype=torch.int64), torch.full((2, 3), word))
        for word in (1, 2)
    )
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("members", "counts"), [(0, []), (2, [1]), (2, [1, 0])])
def test_each_member_counts(members, counts):
    with pytest.raises(ValueError, match="counts once at least"):
        Averaged([Numbers(1) for _ in range(members)], MEAN, [NUMERIC], counts)
