"""ModernNCA answers with training rows that are near by its embedding, as its paper says."""

import numpy as np
import pytest
import torch

from orchestrator.networks import FeatureShape, build_network
from orchestrator.search import DataSize, load_space

SETTINGS = {"depth": 1, "width": 8, "scaling": "standard", "numeric_embedding": "none", "dropout": 0.0}


def fitted(outputs, classes, target, **settings):
    torch.manual_seed(3)
    shape = FeatureShape.of_table(4, (), outputs)
    shape = FeatureShape(shape.inputs, outputs, classes=classes)
    network = build_network("modern_nca", shape, SETTINGS | settings)
    rows = {"numeric": torch.randn(len(target), 4), "categorical": torch.zeros(len(target), 0, dtype=torch.int64)}
    network.fit_rows(rows, target)
    return network.eval(), rows


def embedded(network, numeric):
    """The embedding of evaluation, written out: a linear layer, batch norm, a hidden layer."""
    block = network.blocks[0]
    hidden = network.first(numeric)
    norm = block.normalization[0]
    hidden = (hidden - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps) * norm.weight + norm.bias
    return torch.relu(hidden @ block.before[0].weight.T + block.before[0].bias) @ block.after.weight.T


@torch.no_grad()
def test_numbers_are_a_mean_weighted_by_distance():
    target = torch.randn(30)
    network, rows = fitted(1, 0, target)
    asked = torch.randn(7, 4)
    distances = torch.cdist(embedded(network, asked).double(), embedded(network, rows["numeric"]).double())
    wanted = torch.softmax(-torch.sqrt(distances**2 + 1e-4), dim=1) @ target.double()
    found = network(asked, torch.zeros(7, 0, dtype=torch.int64))
    np.testing.assert_allclose(found[:, 0].numpy(), wanted.numpy(), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("classes", [2, 5])
def test_labels_get_the_logits_of_their_shares(classes):
    target = torch.arange(40) % classes
    network, rows = fitted(1 if classes == 2 else classes, classes, target)
    distances = torch.cdist(embedded(network, rows["numeric"]).double(), embedded(network, rows["numeric"]).double())
    shares = torch.softmax(-torch.sqrt(distances**2 + 1e-4), dim=1) @ torch.eye(classes).double()[target]
    found = network(rows["numeric"], rows["categorical"]).double()
    said = torch.sigmoid(found) if classes == 2 else torch.softmax(found, dim=1)
    np.testing.assert_allclose(said.numpy(), (shares[:, 1:] if classes == 2 else shares).numpy(), atol=1e-4)


def test_a_row_says_nothing_about_rows_that_are_the_same_in_training():
    network, rows = fitted(1, 0, torch.tensor([5.0, 5.0, -1.0, -1.0, -1.0]))
    same = {"numeric": rows["numeric"].clone(), "categorical": rows["categorical"]}
    same["numeric"][1] = same["numeric"][0]
    network.fit_rows(same, torch.tensor([5.0, 5.0, -1.0, -1.0, -1.0]))
    learned = network.train()(same["numeric"], same["categorical"])
    torch.testing.assert_close(learned[:2, 0], torch.tensor([-1.0, -1.0]))
    answered = network.eval()(same["numeric"], same["categorical"])
    assert (answered[:2, 0] > learned[:2, 0]).all()
    # all candidates are the same
    network.fit_rows({name: values[:1].expand(3, -1) for name, values in same.items()}, torch.tensor([1.0, 2.0, 6.0]))
    alone = network.train()(same["numeric"][:2], same["categorical"][:2])
    torch.testing.assert_close(alone, torch.tensor([[3.0], [3.0]]))


def test_a_network_takes_over_as_many_candidates_as_a_state_has():
    network, rows = fitted(1, 0, torch.randn(30), candidates=20)
    assert network.keys.shape == (20, 8)
    other = build_network("modern_nca", FeatureShape.of_table(4, (), 1), SETTINGS)
    other.load_state_dict(network.state_dict())
    assert torch.equal(
        other.eval()(rows["numeric"], rows["categorical"]), network(rows["numeric"], rows["categorical"])
    )


def test_several_outputs_about_a_number_lie_around_the_mean_of_near_rows():
    network, rows = fitted(3, 0, torch.randn(30))
    with torch.no_grad():
        before = network(rows["numeric"], rows["categorical"])
        network.offsets.bias += torch.tensor([-1.0, 0.0, 1.0])
        after = network(rows["numeric"], rows["categorical"])
    assert before.shape == (30, 3)
    torch.testing.assert_close(after - before, torch.tensor([[-1.0, 0.0, 1.0]]).expand(30, 3))


def test_the_default_space_has_it_for_small_tables_only():
    space = load_space("tabular")
    small, large = space.for_size(DataSize(5000, 10)), space.for_size(DataSize(50_000, 10))
    assert "modern_nca" in small.architectures
    assert "modern_nca" not in large.architectures
    assert all(point["architecture"] != "modern_nca" for point in large.start_points)
    asked = space.only("modern_nca").for_size(DataSize(50_000, 10))
    assert list(asked.architectures) == ["modern_nca"]
