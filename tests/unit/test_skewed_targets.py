"""A skewed target is learned as its logarithm or its rank, and answered in its own unit with the right mean."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import orchestrator
from orchestrator.bundle import ModelBundle, ReadBundle, make_bundle
from orchestrator.bundle.files import read_folder
from orchestrator.columns.target_wish import BEFORE, TargetWish
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import ConfigError, DataError
from orchestrator.evaluation.answers import validation_answers
from orchestrator.networks import TRANSFORMS
from orchestrator.serving.inference.prepared_model import load_prepared, prepare
from orchestrator.sweeps.plan import data_options
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks._skew import chosen_transform
from orchestrator.tasks.regression import Regression
from orchestrator.training import BestWeights, TrialSpec, pack_state, train_trial, trial_network, unpack_state

every_transform = pytest.mark.parametrize("kind", sorted(TRANSFORMS))
# of some size, so that ten deviations of their distribution are numbers
targets = hnp.arrays(np.float32, st.integers(20, 200), elements=st.floats(0, 1e4, width=32)).filter(np.ptp)


def table(rows=600, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (rows, 3))
    y = np.exp(3 + 1.2 * x[:, 0] + 0.5 * x[:, 1] + 0.6 * random.normal(0, 1, rows))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})


def spec_of(metric="rmse", **more):
    options = {"epochs": 5, "batch_size": 32, "learning_rate": 0.02, **more}
    return TrialSpec(architecture="mlp", settings={"depth": 1, "width": 12}, metric=metric, **options)


def trained(dataset, spec):
    best = BestWeights()
    *_, report = train_trial(spec, dataset.without_test(), on_best=best.keep)
    network = trial_network(spec, dataset)
    network.load_state_dict(best.state)
    return network.eval(), report


def fitted(kind, values):
    mean, std = float(values.mean()), float(values.std()) or 1.0
    standard = torch.from_numpy(((values - mean) / std).astype(np.float32))
    transform = TRANSFORMS[kind]()
    transform.fit(standard, -mean / std)
    return transform, standard


@every_transform
@settings(max_examples=12, deadline=None)
@given(values=targets)
def test_what_is_taught_is_brought_back_and_rises_with_the_target(kind, values):
    transform, standard = fitted(kind, values)
    taught = transform.taught(standard)
    assert torch.isfinite(taught).all()
    assert (taught[standard.argsort()].diff() >= -1e-5).all()
    if kind == "log1p" or len(np.unique(values)) == len(values) < 200:
        assert transform(taught[:, None])[:, 0].numpy() == pytest.approx(standard.numpy(), abs=2e-2)
    # whatever a network says is answered by a number, and larger numbers by larger ones
    said = transform(torch.tensor([[-1e30], [-3.0], [0.0], [3.0], [1e30]]))
    assert torch.isfinite(said).all()
    assert (said[:, 0].diff() >= -1e-5).all()


@pytest.mark.parametrize("metric", ["rmse", "mae"])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 0.3, 1e9]), sigma=st.floats(0.1, 3))
def test_the_choice_does_not_depend_on_the_unit(metric, seed, scale, sigma):
    values = np.exp(np.random.default_rng(seed).normal(0, sigma, 300))
    centre = Regression.metrics[metric].centre
    wish = TargetWish()
    assert chosen_transform("y", values, wish, centre) == chosen_transform("y", values * scale, wish, centre)


def test_what_is_skewed_is_learned_as_its_logarithm_or_where_it_has_none_and_medians_count_as_its_rank():
    random = np.random.default_rng(0)
    skewed, even = np.exp(random.normal(0, 1.5, 500)), random.normal(50, 5, 500)
    for values, metric, wanted in (
        (skewed, "rmse", "log1p"),
        (np.where(random.random(500) < 0.6, 0, skewed), "rmse", "none"),
        (np.where(random.random(500) < 0.6, 0, skewed), "mae", "log1p"),
        (skewed - skewed.mean(), "rmse", "none"),
        (-skewed, "rmse", "none"),
        (skewed - skewed.mean(), "mae", "quantile"),
        (-skewed, "mape", "quantile"),
        (1e4 - np.exp(random.normal(0, 0.6, 500)), "mae", "quantile"),
        (even - 50, "mae", "none"),
        (even, "rmse", "none"),
        (even, "mae", "none"),
        (even, "rmsle", "log1p"),
        (np.exp(random.normal(0, 0.6, 500)), "rmse", "none"),
        (np.exp(random.normal(0, 0.6, 500)), "mae", "log1p"),
        (np.repeat([0.0, 1.0], 250), "mae", "none"),
        (np.zeros(50), "rmse", "none"),
    ):
        wish = TargetWish(metric=metric)
        assert Regression().fit(pd.Series(values, name="y"), wish).transform == wanted
    assert Regression().fit(pd.Series(skewed, name="y"), TargetWish(metric="own:metric")).transform == "log1p"
    assert Regression().fit(pd.Series(skewed, name="y")).transform == "none"


def test_what_cannot_be_transformed_is_a_sentence():
    frame = table()
    with pytest.raises(DataError, match=r"--target-transform log1p: the target 'y' is below 0 in \d+ training rows"):
        orchestrator.prepare_dataset(frame.assign(y=frame.y - 20), "y", target_transform="log1p")
    with pytest.raises(DataError, match="only numbers are transformed, and a multiclass task predicts labels"):
        orchestrator.prepare_dataset("sklearn:iris", target_transform="quantile")
    with pytest.raises(ConfigError, match=r"target_transform must be one of .* but is 'log1'; did you mean log1p"):
        orchestrator.prepare_dataset(frame, "y", target_transform="log1")
    with pytest.raises(ConfigError, match="target_transform"):
        SweepConfig.create(data="x.csv", target_transform="log")


@every_transform
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.floats(0.05, 1.0))
def test_answers_have_the_mean_of_the_rows_or_half_of_them_above(kind, seed, noise):
    random = np.random.default_rng(seed)
    values = np.exp(random.normal(2, 1, 400))
    transform, standard = fitted(kind, values)
    outputs = transform.taught(standard) + torch.from_numpy(random.normal(0.1, noise, 400).astype(np.float32))
    weight = torch.from_numpy(random.uniform(0, 2, 400))
    transform.shift_to_mean(outputs, standard, weight)
    mean = float((weight * transform(outputs)).sum() / weight.sum())
    assert mean == pytest.approx(float((weight * standard).sum() / weight.sum()), abs=1e-3)
    transform.shift_to_median(outputs, standard, weight)
    above = float(weight[standard > transform(outputs) + 1e-6].sum() / weight.sum())
    assert above == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("kind", "metric"), [("quantile", "rmse"), ("log1p", "mae")])
def test_a_model_of_a_skewed_target_answers_in_its_unit_wherever_it_runs(kind, metric, tmp_path):
    dataset = orchestrator.prepare_dataset(table(), "y", target_transform=kind)
    spec = spec_of(metric)
    network, report = trained(dataset, spec)
    answers = validation_answers(network, dataset, dataset.rows(Part.VALIDATION))
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    measured = task.evaluate(encoder, answers.outputs, answers.target)
    assert measured[metric] == pytest.approx(report.best_value, rel=1e-6)
    found = task.predictions(encoder, answers.outputs).values["value"]
    wanted = task.decode(encoder, answers.target)
    if metric == "rmse":
        assert found.mean() == pytest.approx(wanted.mean(), rel=0.02)
    else:
        assert (wanted > found).mean() == pytest.approx(0.5, abs=0.02)
    plain = orchestrator.prepare_dataset(table(), "y", target_transform="none")
    assert report.best_value < trained(plain, spec)[1].best_value
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    rows = table(seed=1).drop(columns="y")
    rows.loc[0, "a"] = 1e6
    predicted = ModelBundle.load(tmp_path / "bundle").predict(rows)["value"].to_numpy()
    low, high = encoder.bounds
    assert low <= predicted.min() <= predicted.max() <= high
    read = ReadBundle.of(read_folder(tmp_path / "bundle"), tmp_path / "bundle")
    prepare(read, tmp_path / "prepared", "onnxruntime")
    assert load_prepared(tmp_path / "prepared").answer(rows).values["value"] == pytest.approx(predicted, rel=1e-3)


def test_what_was_chosen_is_said_and_figures_are_in_the_targets_unit():
    dataset = orchestrator.prepare_dataset(table(), "y")
    (note,) = [str(note) for note in dataset.notes if "skewed" in str(note)]
    assert note == (
        "column 'y' is skewed, with a long tail of large values: networks learn its logarithm, and answers are in its "
        "own unit (--target-transform none)"
    )
    for quiet in ({"target_transform": "log1p"}, {"target_transform": "none"}):
        assert not [note for note in orchestrator.prepare_dataset(table(), "y", **quiet).notes if "skewed" in str(note)]
    assert dataset.target_encoder.transform == "log1p"
    assert TargetEncoder.from_json(dataset.target_encoder.to_json()) == dataset.target_encoder


def test_a_folder_is_treated_as_its_rows_in_memory(tmp_path):
    table().to_parquet(tmp_path / "part.parquet", row_group_size=100, index=False)
    streamed = open_dataset(tmp_path, DataOptions(target="y"))
    assert streamed.target_encoder.transform == "log1p"
    assert [note for note in streamed.notes if "skewed" in str(note)]
    assert streamed.target_encoder == open_dataset(tmp_path, DataOptions(target="y")).target_encoder
    network, report = trained(streamed, spec_of(epochs=2))
    answers = validation_answers(network, streamed, streamed.rows(Part.VALIDATION))
    task = streamed.schema.target.task
    assert task.evaluate(streamed.target_encoder, answers.outputs, answers.target)["rmse"] == pytest.approx(
        report.best_value, rel=1e-6
    )


@pytest.mark.parametrize("folds", [None, 2])
def test_a_trial_goes_on_as_if_nothing_had_happened(folds):
    dataset = orchestrator.prepare_dataset(table(300), "y", folds=folds)
    spec = spec_of(epochs=3, weight_average=0.5)

    def run(resume=None, stop=None):
        states, weights, found = [], [], []
        keep = lambda network: weights.append({name: value.clone() for name, value in network.state_dict().items()})  # noqa: E731
        hold = lambda state: states.append(pack_state(state))  # noqa: E731
        for report in train_trial(spec, dataset, on_best=keep, on_epoch=hold, resume=resume):
            found.append((report.train_loss, report.best_value, dict(report.validation)))
            if report.epoch == stop:
                break
        return found, states, weights

    whole, states, weights = run()
    torch.manual_seed(0)
    rest, _, later = run(unpack_state(states[0], "a checkpoint"))
    assert rest == whole[1:]
    assert all(torch.equal(value, weights[-1][name]) for name, value in later[-1].items())
    if folds:
        # each fold has its own
        units = [weights[-1][f"members.{number}.transform.unit"] for number in range(folds)]
        assert not torch.equal(*units)


def test_networks_of_folds_are_averaged_in_the_targets_unit():
    dataset = orchestrator.prepare_dataset(table(300), "y", folds=2)
    network, _ = trained(dataset, spec_of(epochs=2))
    inputs = [torch.from_numpy(array) for array in dataset.test.inputs.arrays.values()]
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    with torch.no_grad():
        mean, *each = (item(*inputs).numpy() for item in (network, *network.members))
    wanted = np.mean([task.predictions(encoder, found).values["value"] for found in each], axis=0)
    assert task.predictions(encoder, mean).values["value"] == pytest.approx(wanted, rel=1e-4, abs=1e-3)


@every_transform
def test_quantiles_pass_through(kind):
    task = {"kind": "quantile", "quantiles": [0.1, 0.5, 0.9]}
    dataset = orchestrator.prepare_dataset(table(), "y", task=task, target_transform=kind)
    network, report = trained(dataset, spec_of("pinball_loss", epochs=5))
    assert report.validation["coverage"] == pytest.approx(0.8, abs=0.15)
    assert network.transform.shift == 0


def test_sweeps_of_before_learn_the_target_as_it_is():
    assert BEFORE.target_transform == "none"
    assert data_options(SweepConfig.create(data="x.csv", metric="mae")).target_wish == TargetWish(metric="mae")
    old = open_dataset(table(), DataOptions.from_json({"target": "y"}, name="x"))
    assert old.target_encoder.to_json().keys() == {"mean", "std"}
