"""The networks of the tabular literature compute what their papers say, and are the same wherever they run."""

import copy
import dataclasses
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame, quick_model
from torch.nn import functional as F

from orchestrator.bundle import ReadBundle, make_bundle
from orchestrator.bundle.engines import convert, load_onnx
from orchestrator.bundle.files import read_folder
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.inputs import Inputs, InputSpec
from orchestrator.networks import ARCHITECTURES, FeatureShape, build_network, inputs_taken
from orchestrator.networks.embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from orchestrator.networks.families import NETWORKS
from orchestrator.networks.inputs import CategoryInput, NumericInput
from orchestrator.networks.layers import Dropout
from orchestrator.networks.repeated_numbers import LEAST_ROWS, RepeatedNumbers
from orchestrator.networks.scaling import QUANTILES, QuantileScaling, RobustScaling
from orchestrator.networks.settings import EMBED_TEXTS, KEEPS_ROWS, TRAINING
from orchestrator.networks.tabm import first_factors
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression
from orchestrator.training import TrialSpec, feature_shape, spec_from_parameters, train_trial
from orchestrator.training.averaging import weight_average
from orchestrator.training.loop import fit_inputs
from orchestrator.training.losses import member_loss
from orchestrator.training.optimization import Optimization, coslog4, flat_cosine

FAMILIES = {
    "realmlp": {"depth": 2, "width": 16, "repeated_numbers": 6},
    "tabm": {"members": 3, "depth": 2, "width": 16},
    "tabm_mini": {"members": 3, "depth": 2, "width": 16, "repeated_numbers": 6},
    "ft_transformer": {"depth": 2, "width": 16, "heads": 2, "repeated_numbers": 6},
    "mlp": {"depth": 1, "width": 16, "scaling": "quantile", "numeric_embedding": "piecewise", "repeated_numbers": 6},
    "resnet": {"depth": 1, "width": 16, "scaling": "robust", "numeric_embedding": "periodic"},
    "modern_nca": {"depth": 1, "width": 16, "candidates": 64, "sampled": 40, "repeated_numbers": 6},
}
SHAPES = [FeatureShape.of_table(5, (), 1), FeatureShape.of_table(0, (4, 12, 40), 3), FeatureShape.of_table(3, (10,), 1)]
# a number, few and many categories, a date, texts
FRAME = mixed_frame(150).assign(note=[f"delivery {number % 7} was late by {number} days" for number in range(150)])


@pytest.fixture(scope="module")
def models():
    """Architecture -> a trained network and its data."""
    return {
        # those of these two have the texts beside other inputs as they are, which `test_text.py` is about
        name: quick_model(
            FRAME.drop(columns="note") if name in ("mlp", "resnet") else FRAME, "label", architecture=name, **settings
        )
        for name, settings in FAMILIES.items()
    }


def inputs_of(dataset, network, part=Part.TEST):
    rows = next(iter(dataset.rows(part)))
    names = inputs_taken(network, rows.inputs.arrays.keys())
    return {name: torch.from_numpy(np.array(rows.inputs[name])) for name in names}


def test_all_families_are_tested():
    assert FAMILIES.keys() == ARCHITECTURES.keys() == NETWORKS.keys()
    assert TRAINING.keys() | KEEPS_ROWS | EMBED_TEXTS <= ARCHITECTURES.keys()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", FAMILIES)
def test_outputs_have_the_shape_of_the_task_and_all_weights_learn(architecture, shape):
    torch.manual_seed(0)
    network = build_network(architecture, shape, FAMILIES[architecture])
    numeric = torch.randn(30, shape.numeric)
    codes = torch.stack([torch.randint(0, count, (30,)) for count in shape.cardinalities] or [torch.zeros(30)], 1)
    codes = codes[:, : len(shape.cardinalities)].long()
    for module in reversed(list(network.modules())):
        if hasattr(module, "fit_inputs"):
            with torch.no_grad():
                module.fit_inputs({"numeric": numeric, "categorical": codes})
    if hasattr(network, "fit_rows"):
        network.fit_rows({"numeric": numeric, "categorical": codes}, torch.randn(30))
    outputs = network(numeric, codes)
    assert outputs.shape[0] == 30 and outputs.shape[-1] == shape.outputs
    outputs.square().mean().backward()
    silent = [name for name, weight in network.named_parameters() if weight.numel() and weight.grad is None]
    assert silent == []
    answers = network.eval()(numeric, codes)
    assert answers.shape == (30, shape.outputs)
    assert torch.isfinite(answers).all()


@pytest.mark.parametrize("architecture", FAMILIES)
def test_parameters_can_be_counted_without_memory(architecture):
    with torch.device("meta"):
        counted = build_network(architecture, SHAPES[1], FAMILIES[architecture])
    built = build_network(architecture, SHAPES[1], FAMILIES[architecture])
    assert [weight.shape for weight in counted.parameters()] == [weight.shape for weight in built.parameters()]


# the layers of `tabm_mini` are among those of `tabm`
@pytest.mark.parametrize("architecture", sorted(FAMILIES.keys() - {"tabm_mini"}))
def test_a_bundle_gives_what_the_network_gives_and_so_does_onnx(models, architecture, tmp_path):
    network, dataset = models[architecture]
    inputs = inputs_of(dataset, network)
    with torch.no_grad():
        wanted = network(*inputs.values()).numpy()
    make_bundle(network, dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    read = ReadBundle.of(read_folder(tmp_path / "bundle"), tmp_path / "bundle")
    answers = read.bundle.predict(FRAME.iloc[:40])
    assert len(answers) == 40
    convert(read.program, tmp_path / "network.onnx", tuple(inputs))
    onnx = load_onnx(tmp_path / "network.onnx", wanted.shape[1])
    for rows in (1, 7, len(wanted)):
        part = Inputs({name: tensor[:rows].numpy() for name, tensor in inputs.items()})
        np.testing.assert_allclose(onnx(part), wanted[:rows], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", TRAINING)
def test_families_of_papers_learn(architecture):
    dataset = open_dataset("sklearn:breast_cancer")
    spec = TrialSpec(
        architecture=architecture,
        settings=FAMILIES[architecture],
        metric="roc_auc",
        epochs=8,
        batch_size=32,
        optimizer="adamw",
        learning_rate=0.04 if architecture == "realmlp" else 0.003,
    )
    *_, report = train_trial(spec, dataset)
    assert report.best_value > 0.97


@pytest.mark.parametrize("architecture", FAMILIES)
def test_families_train_with_less_precision(architecture):
    dataset = open_dataset(FRAME, DataOptions(target="label"))
    spec = TrialSpec(
        architecture=architecture, settings=FAMILIES[architecture], epochs=1, batch_size=32, precision="bf16"
    )
    (report,) = train_trial(spec, dataset)
    assert math.isfinite(report.train_loss) and math.isfinite(report.best_value)


def test_robust_scaling_is_that_of_the_paper():
    random = np.random.default_rng(0)
    columns = np.stack(
        [
            random.normal(5, 3, 101),
            np.r_[np.zeros(90), random.random(11)],
            np.full(101, 7.0),
            random.integers(0, 2, 101),
        ]
    ).T.astype(np.float32)
    layer = RobustScaling(4)
    layer.fit(torch.from_numpy(columns))
    found = layer(torch.from_numpy(columns)).numpy()
    low, middle, high = np.quantile(columns.astype(np.float64), [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, (columns.max(0) - columns.min(0)) / 2)
    scaled = np.where(spread > 0, (columns - middle) / np.where(spread > 0, spread, 1), 0)
    np.testing.assert_allclose(found, scaled / np.sqrt(1 + (scaled / 3) ** 2), atol=1e-5)
    assert np.abs(layer(torch.full((1, 4), 1e4)).numpy()).max() <= 3


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=5, max_size=60), st.lists(st.floats(-1e4, 1e4, width=32)))
def test_quantile_scaling_keeps_the_order_and_stays_within_bounds(training, others):
    layer = QuantileScaling(1)
    layer.fit(torch.tensor(training)[:, None])
    asked = torch.tensor(sorted([*training, *others]))[:, None]
    found = layer(asked)[:, 0]
    assert torch.isfinite(found).all()
    assert (found[1:] - found[:-1] >= -1e-3).all()
    assert found.abs().max() < 4


def test_quantile_scaling_makes_a_normal_distribution():
    numbers = torch.from_numpy(np.random.default_rng(0).exponential(2, 20_000).astype(np.float32))[:, None]
    layer = QuantileScaling(1)
    layer.fit(numbers)
    found = layer(numbers)[:, 0]
    assert abs(float(found.mean())) < 0.05 and abs(float(found.std()) - 1) < 0.1
    assert layer.edges.shape == (1, QUANTILES)


def test_piecewise_linear_encoding_is_that_of_the_paper():
    training = torch.tensor([0.0, 1.0, 2.0, 4.0, 8.0])[:, None]
    layer = PiecewiseLinearEmbedding(1, 1, 4)
    layer.fit(training)
    # edges 0, 1, 2, 4, 8; what the weights see is the encoding itself
    with torch.no_grad():
        layer.linear.zero_()
        layer.bias.zero_()
        found = []
        for piece in range(4):
            layer.weight.zero_()
            layer.weight[0, piece, 0] = 1.0
            found.append(layer(torch.tensor([[-1.0], [0.5], [3.0], [12.0]]))[:, 0, 0].tolist())
    wanted = [[-1, 0.5, 1, 1], [0, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 0, 2]]
    assert found == wanted


def test_a_column_of_one_number_or_of_two_has_fewer_pieces():
    layer = PiecewiseLinearEmbedding(2, 3, 8)
    layer.fit(torch.tensor([[5.0, 0.0], [5.0, 1.0], [5.0, 0.0]]))
    assert (layer.inverse[0] == 0).all() and (layer.inverse[1] != 0).sum() == 1
    assert torch.isfinite(layer(torch.tensor([[5.0, 0.5], [7.0, 3.0]]))).all()


def test_a_periodic_embedding_starts_with_the_number_itself():
    layer = PeriodicEmbedding(2, 4, 3, 0.5)
    numbers = torch.randn(5, 2)
    with torch.no_grad():
        found = layer(numbers)
        assert torch.equal(found[:, :, 0], numbers)
        waves = torch.cos(2 * math.pi * layer.frequency[1] * numbers[3, 1] + layer.phase[1])
        wanted = waves @ layer.weight[1] + layer.bias[1]
        assert torch.allclose(found[3, 1, 1:], wanted, atol=1e-6)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=90), st.integers(1, 6))
def test_the_most_frequent_numbers_of_a_column_have_an_embedding_and_no_other_has(drawn, count):
    column = torch.tensor(drawn, dtype=torch.float32)[:, None] / 3
    layer = RepeatedNumbers(1, count, 2)
    layer.fit(column)
    # each number's place among those that are found, and one, so that zeros are no place
    with torch.no_grad():
        layer.weight[0] = torch.stack([torch.arange(count) + 1.0, torch.ones(count)], dim=1)
        places, known = layer(column).unbind(2)
        nothing = layer(torch.tensor([[0.1], [1e4]]))
    rows = {number: drawn.count(number) for number in drawn if drawn.count(number) >= LEAST_ROWS}
    wanted = sorted(sorted(rows, key=lambda number: (-rows[number], number))[:count])
    if sum(rows[number] for number in wanted) < len(drawn) / 2:
        wanted = []
    assert places[:, 0].tolist() == [wanted.index(number) + 1 if number in wanted else 0 for number in drawn]
    assert known[:, 0].tolist() == [float(number in wanted) for number in drawn]
    assert not nothing.any()


def exported(layer):
    return torch.export.export(layer, (torch.zeros(3, 2),), dynamic_shapes=({0: torch.export.Dim("rows")},)).module()


def test_layers_that_search_among_sorted_numbers_are_exported_as_what_onnx_has():
    random = np.random.default_rng(0)
    training = np.stack([random.integers(-9, 9, 500) / 3, np.round(random.exponential(2, 500), 1)], axis=1)
    others = np.array([[1e4, -1e4], [-3.0, 0.0], [0.1, 0.05], [3.0, training[:, 1].max()]])
    asked = torch.from_numpy(np.concatenate([training, others]).astype(np.float32))
    scaling, repeated = QuantileScaling(2), RepeatedNumbers(2, 12, 3)
    for layer in (scaling, repeated):
        layer.fit(asked[:500])
    with torch.no_grad():
        repeated.weight.normal_()
        assert torch.equal(exported(repeated)(asked), repeated(asked))
        assert torch.allclose(exported(scaling)(asked), scaling(asked), rtol=0, atol=2e-6)
    (found,) = torch.autograd.grad(repeated(asked).square().sum(), repeated.weight)
    same = (asked[:, :, None] == repeated.sorted_numbers).float()
    weight = repeated.weight.detach().requires_grad_()
    (wanted,) = torch.autograd.grad(torch.einsum("rck,ckw->rcw", same, weight).square().sum(), weight)
    assert torch.allclose(found, wanted, rtol=1e-5) and found.count_nonzero() > 20


def test_a_column_of_two_values_stays_one_number_and_an_amount_becomes_several():
    random = np.random.default_rng(0)
    amount = np.where(random.random(200) < 0.2, np.nan, random.normal(size=200).round(2))
    frame = pd.DataFrame(
        {"amount": amount, "yes": random.integers(0, 2, 200), "one_or_two": random.integers(1, 3, 200)}
    )
    frame["truth"] = random.random(200) < 0.1
    dataset = open_dataset(frame.assign(label=random.integers(0, 2, 200)), DataOptions(target="label"))
    assert [(item.column, item.indicator) for item in dataset.encoder.numeric] == [
        ("amount", True), ("yes", False), ("one_or_two", False), ("truth", False)
    ]  # fmt: skip
    shape = feature_shape(dataset)
    # behind the amount is whether it is missing
    assert shape.two_values == (1, 2, 4)
    assert dataset.encoder.many_valued == {"amount", "one_or_two"}
    layer = NumericInput(shape, "robust", PeriodicEmbedding, 5)
    rows = torch.from_numpy(np.array(dataset.some_training_rows(100).inputs["numeric"]))
    with torch.no_grad():
        layer.fit_inputs({"numeric": rows})
        found = layer(rows)
        assert layer.blocks == [8, 8, 1, 1, 1] and found.shape == (len(rows), 19)
        assert torch.equal(found[:, [0, 8]], layer.scaling(rows[:, [0, 3]]))
        others = rows[:, [1, 2, 4]]
        assert torch.allclose(found[:, 16:], others / (1 + (others / 3) ** 2).sqrt())
        # without an embedding all columns are scaled alike
        assert NumericInput(shape, "robust").scaling.center.shape == (5,)
    only_yes_or_no = FeatureShape(
        (InputSpec(name="numeric", dtype="float32", shape=(3,), two_values=(0, 1, 2)), shape.inputs[1]), 1
    )
    for name, settings in FAMILIES.items():
        network = build_network(name, only_yes_or_no, settings)
        assert not any(isinstance(item, PiecewiseLinearEmbedding | PeriodicEmbedding) for item in network.modules())


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_number_starts_as_what_it_is_among_its_neighbours(architecture):
    shape = SHAPES[2]
    numeric, codes = torch.randint(0, 4, (40, 3)).float(), torch.randint(0, 10, (40, 1))
    plain = build_network(architecture, shape, {**FAMILIES[architecture], "repeated_numbers": 0})
    assert not any(isinstance(item, RepeatedNumbers) for item in plain.modules())
    network = build_network(architecture, shape, {**FAMILIES[architecture], "repeated_numbers": 6})
    if hasattr(network, "fit_rows"):
        network.fit_rows({"numeric": numeric, "categorical": codes}, torch.randn(40))
    network.eval()
    (found,) = (item for item in network.modules() if isinstance(item, RepeatedNumbers))
    with torch.no_grad():
        found.fit(numeric)
        before = network(numeric, codes)
        found.weight += 1.0
        assert not torch.allclose(network(numeric, codes), before)
        found.sorted_numbers.fill_(1e9)
        assert torch.equal(network(numeric, codes), before)


def test_categories_are_one_hot_up_to_a_limit_and_what_is_unknown_or_missing_is_nothing():
    layer = CategoryInput((4, 5, 12), 3, 6)
    one_hot, embedded = layer(torch.tensor([[2, 2, 2], [3, 4, 11], [0, 1, 0]]))
    assert one_hot.tolist() == [[-1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]]
    assert embedded.shape == (3, 6) and (embedded[2] == 0).all()


def test_realmlps_layers_start_with_deviation_1_and_train_at_their_own_rates():
    dataset = open_dataset(FRAME, DataOptions(target="label"))
    shape = feature_shape(dataset)
    network = build_network("realmlp", shape, FAMILIES["realmlp"])
    names = inputs_taken(network, shape.names)
    fit_inputs(network, names, dataset)
    rows = dataset.some_training_rows(10_000).inputs
    inputs = {name: torch.from_numpy(np.array(rows[name])) for name in names}
    network.eval()
    alone = network.network
    hidden = alone._joined(inputs["numeric"], inputs["categorical"])
    for linear, activation in zip(alone.linear, alone.activations, strict=True):
        outputs = F.linear(hidden, linear.weight) / math.sqrt(hidden.shape[1])
        assert torch.allclose(outputs.std(dim=0, correction=0), torch.ones(16), atol=1e-3)
        # zeros of the units lie among the rows
        assert ((outputs + linear.bias).amin(0) <= 0).all() and ((outputs + linear.bias).amax(0) >= 0).all()
        hidden = activation(linear(hidden))
    spec = TrialSpec(architecture="realmlp", learning_rate=0.04, weight_decay=0.02, optimizer="adamw")
    optimizer = Optimization(spec, network, 10, "cpu")._optimizer
    rates = {
        id(weight): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    found = {name: rates[id(weight)] for name, weight in network.named_parameters()}
    assert found["network.input_factor"] == pytest.approx((0.24, 0.02))
    assert found["network.linear.1.weight"] == pytest.approx((0.04, 0.02))
    assert found["network.linear.1.bias"] == pytest.approx((0.004, 0.0))
    assert found["network.numbers.embedding.frequency"] == pytest.approx((0.004, 0.02))
    assert found["texts.tokens.table.weight"] == pytest.approx((0.01, 0.02))
    numbers = build_network("realmlp", dataclasses.replace(shape, classes=0), FAMILIES["realmlp"])
    assert numbers.group_of("network.linear.1.weight").learning_rate_factor == 5


@pytest.mark.parametrize(
    "found", [Binary(("a", "b")), Multiclass(("a", "b", "c")), Regression(), Quantile(quantiles=(0.1, 0.5, 0.9))]
)
def test_tabm_answers_with_the_mean_of_its_members_answers(found):
    task, outputs, classes = found.kind, found.outputs, found.classes
    average = partial(found.average, TargetEncoder())
    shape = FeatureShape(FeatureShape.of_table(4, (5,), 1).inputs, outputs, len(classes), average)
    torch.manual_seed(1)
    network = build_network("tabm", shape, {**FAMILIES["tabm"], "dropout": 0.0})
    numeric, codes = torch.randn(6, 4), torch.randint(0, 5, (6, 1))
    with torch.no_grad():
        members = network.train()(numeric, codes)
        answer = network.eval()(numeric, codes)
    assert members.shape == (6, 3, outputs)
    assert not torch.allclose(members[:, 0], members[:, 1])
    if task == "binary":
        assert torch.allclose(answer.sigmoid(), members.sigmoid().mean(1), atol=1e-6)
    elif task == "multiclass":
        assert torch.allclose(answer.softmax(-1), members.softmax(-1).mean(1), atol=1e-6)
    else:
        assert torch.allclose(answer, members.sort(-1).values.mean(1) if task == "quantile" else members.mean(1))
    loss = found.loss()
    target = torch.tensor([0, 1, 1, 0, 1, 0]) if classes else torch.randn(6)
    wanted = sum(loss(members[:, member], target) for member in range(3)) / 3
    assert torch.allclose(member_loss(loss)(members, target), wanted)
    assert torch.equal(member_loss(loss)(answer, target), loss(answer, target))


def test_members_differ_by_whole_columns():
    factors = first_factors(50, [3, 1, 2], signs=True)
    assert set(factors.unique().tolist()) == {-1.0, 1.0}
    assert (factors[:, 0] == factors[:, 2]).all() and (factors[:, 4] == factors[:, 5]).all()
    assert not (factors[:, 0] == factors[:, 3]).all()
    assert len(first_factors(50, [3, 1], signs=False).unique()) == 100


def test_schedules_are_those_of_the_paper():
    assert [coslog4(share / 15) for share in (0, 1, 3, 7, 15)] == pytest.approx([0] * 5, abs=1e-9)
    assert max(coslog4(step / 1000) for step in range(1001)) == pytest.approx(1, abs=1e-3)
    assert [flat_cosine(share) for share in (0, 0.3, 0.5, 0.75, 1)] == pytest.approx([1, 1, 1, 0.5, 0])


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 0.9])
def test_dropout_keeps_as_many_as_it_says_each_by_itself_and_their_mean(share):
    torch.manual_seed(0)
    layer = Dropout(share)
    inputs = torch.full((1001, 331), 2.0, requires_grad=True)
    found = layer(inputs)
    found.sum().backward()
    assert torch.equal(inputs.grad, found.detach() / 2)
    keeps = found != 0
    assert torch.equal(found[keeps], torch.full_like(found[keeps], 2 / (1 - share)))
    # standard error of a share among 331,331: below 0.0009
    assert float(keeps.float().mean()) == pytest.approx(1 - share, abs=0.004)
    # places that are drawn together say nothing of each other
    flat = keeps.flatten()[:331_328].view(-1, 4).float()
    assert torch.corrcoef(flat.T).fill_diagonal_(0).abs().max() < 0.02
    assert not torch.equal(layer(inputs), found) and torch.equal(layer.eval()(inputs), inputs)


def test_dropout_and_weight_decay_end_at_zero():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.4), torch.nn.Linear(2, 1))
    spec = TrialSpec(
        architecture="mlp", epochs=2, optimizer="adamw", weight_decay=0.1, regularization_schedule="flat_cosine"
    )
    optimization, seen = Optimization(spec, network, 4, "cpu"), []
    for _ in range(8):
        optimization.clear()
        optimization.backward(network(torch.ones(1, 2)).sum())
        optimization.step()
        seen.append((network[1].p / 0.4, optimization._optimizer.param_groups[0]["weight_decay"] / 0.1))
    wanted = [flat_cosine(step / 8) for step in range(8)]
    assert [dropout for dropout, _ in seen] == pytest.approx(wanted)
    assert [decay for _, decay in seen] == pytest.approx(wanted)


def test_averaged_weights_follow_slowly_and_everything_else_at_once():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1))
    average = weight_average(network, 0.8)
    expected = None
    for step in range(20):
        with torch.no_grad():
            network[0].weight.fill_(float(step))
            network[1].num_batches_tracked += 1
        average.update_parameters(network)
        kept = min(0.8, (1 + step) / (10 + step))
        expected = float(step) if expected is None else kept * expected + (1 - kept) * step
        assert float(average.module[0].weight) == pytest.approx(expected, rel=1e-5)
    assert int(average.module[1].num_batches_tracked) == 20


def test_smoothed_labels_are_spread_over_all_classes():
    outputs = torch.randn(5, 3)
    target = torch.tensor([0, 1, 2, 2, 1])
    task = Multiclass(("a", "b", "c"))
    wanted = -(
        0.9 * F.log_softmax(outputs, -1).gather(1, target[:, None])[:, 0] + 0.1 * F.log_softmax(outputs, -1).mean(1)
    )
    assert torch.allclose(task.loss(0.1)(outputs, target), wanted.sum())
    binary = Binary(("a", "b"))
    two = torch.cat([torch.zeros(5, 1), outputs[:, :1]], dim=1)
    pair = F.cross_entropy(two, target.clamp_max(1), reduction="sum", label_smoothing=0.1)
    assert torch.allclose(binary.loss(0.1)(outputs[:, :1], target.clamp_max(1)), pair)


def test_the_averaged_network_is_the_one_that_is_measured_and_kept(iris):
    kept = []
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8}, epochs=3, weight_average=0.9, batch_size=16)
    list(train_trial(spec, iris, on_best=lambda network: kept.append(copy.deepcopy(network))))
    plain = []
    list(
        train_trial(
            dataclasses.replace(spec, weight_average=0.0),
            iris,
            on_best=lambda network: plain.append(copy.deepcopy(network)),
        )
    )
    names = dict(plain[-1].named_parameters())
    assert names.keys() == dict(kept[-1].named_parameters()).keys()
    assert any(not torch.equal(weight, names[name]) for name, weight in kept[-1].named_parameters())


@pytest.fixture(scope="module")
def iris():
    return open_dataset("sklearn:iris")


def test_what_is_not_said_of_a_familys_training_its_paper_says():
    spec = spec_from_parameters({"architecture": "realmlp", "weight_decay": 0.0, "width": 64}, "log_loss", 0)
    assert (spec.learning_rate, spec.weight_decay, spec.schedule, spec.settings) == (
        0.04,
        0.0,
        "coslog4",
        {"width": 64},
    )
    # smoothed labels are for being right, not for probabilities
    assert spec.label_smoothing == 0.0
    assert spec_from_parameters({"architecture": "realmlp"}, "accuracy", 0).label_smoothing == 0.1
    assert (
        spec_from_parameters({"architecture": "realmlp", "label_smoothing": 0.2}, "accuracy", 0).label_smoothing == 0.2
    )
    assert spec_from_parameters({"architecture": "mlp"}, "log_loss", 0) == TrialSpec(architecture="mlp")
    assert set(TRAINING) <= set(ARCHITECTURES)
