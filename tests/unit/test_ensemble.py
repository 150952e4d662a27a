"""An ensemble is what greedy selection finds; it wins where rows that did not choose it say so, and is one network."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_choice import Sweep

from orchestrator.bundle import ModelBundle
from orchestrator.bundle.archive import read_program
from orchestrator.bundle.content import specs_of
from orchestrator.bundle.engines import convert, largest_difference, load_onnx, load_torch
from orchestrator.config import SweepConfig
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.evaluation.ensemble import combine
from orchestrator.evaluation.selection import STEPS, Contest, judge, select, single_best
from orchestrator.sweeps.bounds import Bounds
from orchestrator.sweeps.choice import choose, sentences
from orchestrator.sweeps.disk import CANDIDATES_BYTES, Disk
from orchestrator.sweeps.ensembles import shown
from orchestrator.sweeps.trial_files import trial_folder
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression
from orchestrator.training import TrialSpec

ENCODER = TargetEncoder(mean=10.0, std=4.0)
TASKS = (Binary(("a", "b")), Multiclass(("a", "b", "c")), Regression(), Quantile())


def contest_of(task, seed, rows=60, candidates=6, noise=1.0, metric=None):
    """Candidates that know the target, each with noise of its own."""
    generator = np.random.default_rng(seed)
    if task.classes:
        target = generator.integers(0, len(task.classes), rows)
        known = np.eye(len(task.classes))[target] if task.outputs > 1 else 2.0 * target[:, None] - 1
    else:
        target = generator.normal(size=rows).astype(np.float32)
        known = np.repeat(target[:, None], task.outputs, axis=1)
    outputs = [(known + noise * generator.normal(size=known.shape)).astype(np.float32) for _ in range(candidates)]
    found = task.find_metric(metric)
    return Contest.of(
        score=partial(task.score, found.name, ENCODER),
        metric=found,
        unit=ENCODER.std if found.in_target_unit else 1.0,
        shares=partial(task.shares, ENCODER),
        outputs=outputs,
        target=target,
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@given(seed=st.integers(0, 100))
def test_the_scores_of_outputs_are_the_metrics_of_the_task(task, seed):
    contest = contest_of(task, seed, candidates=1)
    shares = contest.shares[0]
    outputs = np.log(shares[:, 1:] / shares[:, :1] if task.outputs == 1 else shares) if task.classes else shares
    wanted = task.evaluate(ENCODER, outputs.astype(np.float32), contest.target)
    for name in task.metrics:
        assert task.score(name, ENCODER, shares, contest.target) == pytest.approx(wanted[name], rel=1e-4), name


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.1, 5))
def test_a_selection_is_no_worse_than_its_best_member_on_the_rows_that_chose_it(task, seed, noise):
    contest = contest_of(task, seed, noise=noise)
    counts = select(contest)
    best = single_best(contest)
    assert counts[best] > 0
    assert 1 <= sum(counts) <= STEPS
    assert contest.loss(contest.mixed(counts)) <= contest.loss(contest.shares[best])
    assert counts == select(contest)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), copies=st.integers(1, 4))
def test_copies_of_a_candidate_are_not_taken(seed, copies):
    contest = contest_of(Regression(), seed, candidates=3)
    more = replace(contest, shares=contest.shares + contest.shares * copies)
    assert select(more) == select(contest) + (0,) * 3 * copies


def test_rows_that_did_not_choose_tell_noise_from_what_helps():
    task = TASKS[0]
    helps = contest_of(task, 1, rows=400, candidates=8, noise=2.0, metric="log_loss")
    ours, its = judge(helps)
    assert ours < its
    # all say the same: nothing can be gained, whatever is chosen
    same = replace(helps, shares=(helps.shares[0],) * 8)
    ours, its = judge(same)
    assert ours == its
    assert judge(helps.take(np.arange(10))) is None
    # which of many random guesses is best says nothing about other rows
    gains = []
    for seed in range(6):
        guesses = contest_of(task, seed, rows=60, candidates=20, noise=1e6, metric="roc_auc")
        chosen = guesses.figure(guesses.mixed(select(guesses)))
        gains.append((chosen, judge(guesses)[0]))
    chosen, judged = np.mean(gains, axis=0)
    assert chosen > 0.75
    assert judged < 0.62


def test_the_best_trial_is_not_worse_because_another_one_is_best_on_other_rows():
    random = np.random.default_rng(0)
    target = random.permutation(np.repeat([0, 1], 100))
    ranks = [target + random.normal(scale=0.9, size=200) for _ in range(6)]
    # all order rows about as well, and each is as sure of all rows as no other one
    said = [1 / (1 + np.exp(-found - 4 * shift)) for shift, found in enumerate(ranks, -3)]
    contest = replace(
        contest_of(TASKS[0], 0, rows=200, metric="roc_auc"),
        shares=tuple(np.stack([1 - found, found], axis=1) for found in said),
        target=target,
    )
    alone = [contest.figure(shares) for shares in contest.shares]
    judged = judge(contest)[1]
    assert min(alone) - 0.02 < judged < max(alone)


def test_fifths_without_the_metric_do_not_count():
    contest = contest_of(TASKS[0], 3, rows=100, metric="roc_auc")
    rare = replace(contest, target=(np.arange(100) < 3).astype(np.int64))
    ours, its = judge(rare)
    assert 0 <= ours <= 1 and 0 <= its <= 1
    assert judge(replace(contest, target=np.zeros(100, np.int64))) is None


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    found = Sweep(tmp_path_factory.mktemp("ensemble"), open_dataset("sklearn:diabetes"))
    for index, seed in enumerate((1, 2), 3):
        found.train(
            index,
            TrialSpec(
                architecture="resnet",
                settings={"depth": 1, "width": 8},
                metric=found.metric.name,
                epochs=5,
                batch_size=32,
                learning_rate=3e-3,
                seed=seed,
            ),
        )
    return found


def combined(sweep):
    ensemble, model, told = sweep.models.combine(sweep.trial_table.ranked())
    assert told == ()
    return ensemble, model


def test_an_ensemble_is_one_bundle_that_answers_the_mean_of_its_members(sweep, tmp_path):
    found = [sweep.models.open(record) for record in sweep.trial_table.ranked()]
    ensemble, model = combine(found)
    assert ensemble.accepted, ensemble.reason
    assert len(ensemble.members) > 1
    assert sum(member.weight for member in ensemble.members) == pytest.approx(1)
    assert ensemble.single == sweep.trial_table.ranked()[0].index == ensemble.members[0].index
    winner = model.finish()
    winner.bundle.save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    rows = pd.DataFrame(list(sweep.dataset.example))
    by_index = {item.record.index: item for item in found}
    alone = {index: item.finish().bundle.predict(rows)["value"] for index, item in by_index.items()}
    wanted = sum(member.weight * alone[member.index] for member in ensemble.members)
    assert bundle.predict(rows)["value"].to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-5)
    # one row, and the engines of the endpoint
    assert bundle.predict(rows[:1])["value"].to_numpy() == pytest.approx(wanted.to_numpy()[:1], rel=1e-5)
    specs = specs_of(bundle.encoder, bundle.inputs)
    path = tmp_path / "bundle" / "network.pt2"
    convert(read_program(path), tmp_path / "network.onnx", bundle.inputs)
    onnx, torch = load_onnx(tmp_path / "network.onnx", 1), load_torch(path, bundle.inputs, 1)
    assert largest_difference(torch, onnx, specs) < 1e-5
    # what it says of itself
    said = bundle.metrics["ensemble"]
    assert said == ensemble.to_json()
    assert bundle.metrics["validation"] == winner.validation == ensemble.validation < ensemble.single_validation
    assert f"ensemble of {len(ensemble.members)} trials" in shown(said, "rmse")[0]


def test_what_a_member_adds_is_what_is_lost_without_it(sweep):
    ensemble, _ = combined(sweep)
    found = {record.index: sweep.models.open(record) for record in sweep.trial_table.ranked()}
    task, encoder = sweep.dataset.schema.target.task, sweep.dataset.target_encoder
    target = found[ensemble.single].validation.target
    for member in ensemble.members:
        others = [item for item in ensemble.members if item is not member]
        outputs = sum(item.count * found[item.index].validation.outputs for item in others)
        outputs /= sum(item.count for item in others)
        without = task.evaluate(encoder, outputs, target)["rmse"]
        assert member.adds == pytest.approx(without - ensemble.validation, abs=1e-4 * encoder.std)


def test_the_same_trials_give_the_same_ensemble_to_the_last_bit(sweep):
    (one, first), (two, second) = combined(sweep), combined(sweep)
    assert one == two
    assert first.finish().digest == second.finish().digest != sweep.choose()[1].finish().digest


def test_trials_that_were_deleted_are_left_out_and_damaged_ones_are_named(sweep):
    ranked = sweep.trial_table.ranked()
    try:
        trial_folder(sweep.storage, ranked[-1].index).clear()
        sweep.write(ranked[-2].index, sweep.content[ranked[-2].index][:-9])
        ensemble, _, told = sweep.models.combine(ranked)
        assert ensemble.candidates == len(ranked) - 2
        (sentence,) = told
        assert sentence.startswith(f"trial {ranked[-2].index} cannot be in the ensemble: ")
        assert "damaged" in sentence
        assert sweep.models.combine(ranked[:1]) == (None, None, ())
    finally:
        sweep.restore()


@pytest.mark.parametrize("wish", ["auto", "none", 2, "7", " AUTO "])
def test_a_wish_for_an_ensemble_is_read(wish):
    config = SweepConfig.create(data="x.csv", ensemble=wish)
    wanted = {"auto": 25, "none": 0}.get(str(wish).strip().lower())
    assert config.candidates == (int(wish) if wanted is None else wanted)
    assert SweepConfig(**config.model_dump(mode="json", exclude_none=True)) == config


@pytest.mark.parametrize("wish", [0, 1, -3, True, "some", 2.5, "no"])
def test_what_is_no_wish_for_an_ensemble_is_a_sentence(wish):
    with pytest.raises(ConfigError, match=r"^ensemble: give auto, none, or a number of trials, 2 at least, but not"):
        SweepConfig.create(data="x.csv", ensemble=wish)


@pytest.mark.parametrize(("each", "budget", "kept"), [(10, None, 4), (CANDIDATES_BYTES // 2, None, 3), (10, 200, 3)])
def test_candidates_are_kept_as_long_as_they_are_small_and_the_best_in_any_case(sweep, each, budget, kept):
    gone = []

    def forget(_storage, index, keep=0):
        if not keep:
            gone.append(index)

    disk = Disk(sweep.storage, 1, budget, forget, candidates=4, size=lambda *_: each)
    disk.tidy(sweep.trial_table)
    order = [record.index for record in sweep.trial_table.ranked()]
    assert gone == sorted(order[kept:])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), most=st.integers(1, 4))
def test_no_more_is_taken_than_fits_together(seed, most):
    contest = contest_of(Regression(), seed)
    counts = select(contest, fits=lambda places: len(places) <= most)
    assert sum(count > 0 for count in counts) <= most
    assert contest.loss(contest.mixed(counts)) <= contest.loss(contest.shares[single_best(contest)])
    if most == 1:
        assert [place for place, count in enumerate(counts) if count] == [single_best(contest)]


def test_better_models_that_are_too_large_or_too_slow_are_passed_over_aloud(sweep):
    # these share what they have measured
    models = sweep.models
    costs = {record.index: models.open(record).cost for record in sweep.trial_table.ranked()}
    sizes = sorted({cost.size for cost in costs.values()})
    assert len(sizes) == 2
    small = replace(models, bounds=Bounds(size=sizes[0]))
    (record, candidate), skipped = choose(sweep.trial_table, small)
    assert costs[record.index].size == sizes[0]
    order = [record.index for record in sweep.trial_table.ranked()]
    assert [item.index for item in skipped] == order[: order.index(record.index)]
    assert all("more than --max-size" in item.reason and item.bounded for item in skipped)
    assert all("is better" in text and "is not taken" in text for text in sentences(skipped, sweep.metric)[:3])
    cost = candidate.finish().bundle.metrics["cost"]
    assert (cost["size"], cost["engine"]) == (sizes[0], costs[record.index].engine)
    # together they keep to it as well
    bounds = Bounds(latency=timedelta(seconds=1), size=3 * sizes[0])
    ensemble, model, _ = replace(models, bounds=bounds).combine(sweep.trial_table.ranked())
    assert ensemble.candidates == sum(cost.size <= 3 * sizes[0] for cost in costs.values())
    assert len(ensemble.members) <= 3
    if model is not None:
        assert not bounds.why_not(model.cost.seconds, model.cost.size)
        assert model.finish().bundle.metrics["cost"]["size"] == model.cost.size
    # where there is room for one, that is the reason, and not that the others are of no use
    bounds = Bounds(size=sizes[1])
    alone, model, _ = replace(models, bounds=bounds).combine(sweep.trial_table.ranked())
    assert len(alone.members) == 1
    assert model is None
    assert alone.reason.startswith(
        f"no other trial for which there is room beside trial {alone.members[0].index} makes"
    )
    assert alone.reason.endswith(f"more than --max-size {sizes[1] / 1e6:.3g} MB")
    # nothing answers in a microsecond
    choice, skipped = choose(sweep.trial_table, replace(models, bounds=Bounds(timedelta(microseconds=1))))
    assert choice is None
    assert all("more than --max-latency 0.001ms" in item.reason for item in skipped)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2ms", 0.002), ("500us", 0.0005), ("0.5 MS", 0.0005), ("1s", 1), ("1.5ms", 0.0015)]
)
def test_a_time_for_a_row_is_read_and_written(text, seconds):
    config = SweepConfig.create(data="x.csv", max_latency=text, max_size="50MB")
    assert (config.max_latency.total_seconds(), config.max_size) == (seconds, 50_000_000)
    assert SweepConfig(**config.model_dump(mode="json", exclude_none=True)) == config
    assert config.kept_trials == 25


@pytest.mark.parametrize("text", ["2", "ms", "2m", "-1ms", "0ms", "0.0001us", "soon", f"{'9' * 400}s"])
def test_what_is_no_time_for_a_row_is_a_sentence(text):
    with pytest.raises(ConfigError, match=r"^max_latency: "):
        SweepConfig.create(data="x.csv", max_latency=text)
