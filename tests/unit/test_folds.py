"""Folds: rows are validated on once, by a network that has not seen them; trials train their networks in lockstep."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SMALL_NETWORKS

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.data import Part
from orchestrator.data.splits.folds import fold_rows, number_of_folds
from orchestrator.data.splits.marks import RowMarks
from orchestrator.errors import ConfigError, DataError, UsageError
from orchestrator.evaluation.answers import validation_answers
from orchestrator.runtime.planning import plan_sweep
from orchestrator.training import (
    BestWeights,
    TrialSpec,
    pack_state,
    train_trial,
    trial_network,
    unpack_state,
)
from orchestrator.training.folds import SEED_STEP

SPEC = TrialSpec(
    architecture="mlp",
    settings={"depth": 1, "width": 8, "dropout": 0.2, "normalization": "batch"},
    metric="roc_auc",
    epochs=6,
    patience=2,
    batch_size=32,
    learning_rate=0.02,
    seed=3,
)


def table(rows=240):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows)})
    frame["shop"] = random.integers(0, 15, rows)
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 60, rows), unit="D")
    frame["w"] = random.integers(1, 4, rows)
    frame["y"] = np.where(frame["a"] + random.normal(size=rows) > 0.5, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def dataset():
    return orchestrator.prepare_dataset(table()[["a", "b", "y"]], "y", folds=3)


def places(found, fold):
    learnt = np.concatenate([found.order[slice(*part)] for part in fold.train])
    return learnt, found.order[slice(*fold.validation)]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_each_row_is_validated_on_once_by_a_network_that_has_not_seen_it(data):
    rows = data.draw(st.integers(30, 120))
    folds = data.draw(st.integers(2, 6))
    strata = np.array(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    kind = data.draw(st.sampled_from(["plain", "groups", "times"]))
    keys = np.array(data.draw(st.lists(st.integers(0, 12), min_size=rows, max_size=rows)))
    keys[:13] = np.arange(13)
    marks = RowMarks(groups=keys if kind == "groups" else None, times=keys.astype(float) if kind == "times" else None)
    sizes = np.bincount(strata)
    usual = sizes[sizes >= 3]
    if len(usual) == 0 or (kind != "times" and usual.min() < 2):
        return
    found, notes = fold_rows("data", folds, np.arange(rows), marks=marks, strata=strata, equal=None, seed=1)
    assert sorted(found.order.tolist()) == list(range(rows))
    count = folds if kind == "times" else min(folds, int(usual.min()))
    assert len(found.folds) == count
    assert bool(notes) == (count < folds)
    validated = [places(found, fold)[1] for fold in found.folds]
    assert np.concatenate(validated).tolist() == found.validated.tolist()
    never = set(range(rows)) - set(found.validated.tolist())
    for fold in found.folds:
        learnt, held = places(found, fold)
        assert len(held)
        assert not set(learnt.tolist()) & set(held.tolist())
        if kind == "times":
            assert keys[learnt].max() < keys[held].min()
        else:
            assert len(learnt) + len(held) == rows
        if kind == "groups":
            assert not set(keys[learnt]) - set(keys[list(never)]) & set(keys[held])
        if kind == "plain":
            shares = [np.count_nonzero(strata[held] == label) for label in np.flatnonzero(sizes >= 3)]
            wanted = [sizes[label] / count for label in np.flatnonzero(sizes >= 3)]
            assert np.abs(np.array(shares) - wanted).max() <= 1
            assert all(sizes[strata[row]] < 3 for row in never)


@pytest.mark.parametrize(
    ("wanted", "rows", "count"),
    [
        *((None, 50, 1), ("1", 50, 1), ("7", 50, 7), ("auto", 50, 5), ("auto", 5_000, 5), ("auto", 5_001, 4)),
        *(("auto", 6_667, 3), ("auto", 10_000, 3), ("auto", 10_001, 1), ("auto", 1_000_000, 1)),
    ],
)
def test_auto_goes_by_rows(wanted, rows, count):
    assert number_of_folds(wanted, rows) == count


def test_equal_rows_are_in_one_fold():
    frame = pd.concat([table(), table()[:60]], ignore_index=True)[["a", "b", "y"]]
    found = orchestrator.prepare_dataset(frame, "y", folds=4)
    column = [item.column for item in found.encoder.numeric].index("a")
    values = [set(found.fold(number).validation.inputs["numeric"][:, column].tolist()) for number in range(4)]
    assert not any(values[one] & values[other] for one in range(4) for other in range(one))


@pytest.mark.parametrize(("wish", "together"), [(None, False), ("together", True), ("apart", False)])
def test_equal_rows_are_drawn_as_those_of_a_given_test_file_were(tmp_path, wish, together):
    frame = pd.concat([table(), table()[:60]], ignore_index=True)[["a", "b", "y"]]
    # one of two equal rows each time
    frame.iloc[::7].to_csv(tmp_path / "test.csv", index=False)
    frame.drop(index=frame.index[::7]).to_csv(tmp_path / "rest.csv", index=False)
    options = {"folds": 4, "test": tmp_path / "test.csv"}
    found = orchestrator.prepare_dataset(tmp_path / "rest.csv", "y", equal_rows=wish, **options)
    column = [item.column for item in found.encoder.numeric].index("a")
    values = [set(found.fold(number).validation.inputs["numeric"][:, column].tolist()) for number in range(4)]
    assert any(values[one] & values[other] for one in range(4) for other in range(one)) != together
    said = [note for note in found.notes if "folds draw equal rows each by itself" in note.done]
    assert len(said) == (wish is None)
    # test rows that training rows do not have: as without a file
    table()[["a", "b", "y"]].iloc[:40].assign(a=1000.0).to_csv(tmp_path / "test.csv", index=False)
    frame.to_csv(tmp_path / "rest.csv", index=False)
    found = orchestrator.prepare_dataset(tmp_path / "rest.csv", "y", **options)
    values = [set(found.fold(number).validation.inputs["numeric"][:, column].tolist()) for number in range(4)]
    assert not any(values[one] & values[other] for one in range(4) for other in range(one))


def test_all_rows_but_the_test_rows_are_in_the_folds(dataset):
    plain = orchestrator.prepare_dataset(table()[["a", "b", "y"]], "y")
    assert dataset.counts == (192, 192, 48)
    assert dataset.test.target.tolist() == plain.test.target.tolist()
    # one copy of the encoded rows
    assert np.shares_memory(dataset.train.target, dataset.validation.target)
    assert [dataset.fold(number).counts[:2] for number in range(3)] == [(128, 64)] * 3
    digests = {
        orchestrator.prepare_dataset(table()[["a", "b", "y"]], "y", folds=folds).digest for folds in (None, 1, 2, 3)
    }
    assert plain.digest in digests
    assert len(digests) == 3


@pytest.mark.parametrize("options", [{"group": "shop"}, {"time": "day"}, {"weight": "w"}])
def test_folds_go_with_groups_time_and_weights(options):
    found = orchestrator.prepare_dataset(table(), "y", folds=3, **options)
    report = next(iter(train_trial(SPEC, found.without_test())))
    assert len(found.folds) == 3
    assert np.isfinite(report.best_value)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"folds": "many"}, UsageError, "--folds many: give a number of folds, or auto"),
        ({"folds": 0}, UsageError, "--folds 0: give a number"),
        ({"folds": 3, "validation": "x.csv"}, UsageError, "--folds and --validation"),
        ({"folds": 3, "split_column": "part"}, UsageError, "says which rows validate, and with folds all"),
        ({"folds": 3, "group": "halves"}, DataError, "at least 3 are needed"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, error, sentence):
    frame = table()
    frame["part"] = np.resize(["train", "validation"], len(frame))
    frame["halves"] = np.arange(len(frame)) % 2
    with pytest.raises(error, match=sentence):
        orchestrator.prepare_dataset(frame, "y", **options)


def test_weights_of_networks_are_not_copied_between_trials_with_folds():
    with pytest.raises(ConfigError, match="--folds does not go with --scheduler pbt"):
        plan_sweep(SweepConfig.create(data="sklearn:iris", folds=3, scheduler="pbt"))
    assert SweepConfig.create(data="x.csv", folds=3).rows.folds == "3"


def reported(reports):
    return [replace(report, seconds=0, examples_per_second=0) for report in reports]


def test_the_networks_are_those_that_each_fold_would_have_alone(dataset):
    together = list(train_trial(SPEC, dataset.without_test()))
    alone = []
    for number in range(3):
        spec = replace(SPEC, seed=SPEC.seed + number * SEED_STEP)
        alone.append(list(train_trial(spec, dataset.fold(number).without_test())))
    assert len(together) == max(map(len, alone))
    for at, report in enumerate(together):
        each = [reports[min(at, len(reports) - 1)] for reports in alone]
        for name, value in report.validation.items():
            assert value == np.mean([item.validation[name] for item in each])
        assert report.train_loss == np.mean([item.train_loss for item in each])
        assert report.best_epoch == max(item.best_epoch for item in each)
        assert report.last == (at == len(together) - 1)


def test_the_figure_is_that_of_all_rows_each_at_the_best_epoch_of_its_fold(dataset):
    best = BestWeights()
    *_, report = train_trial(SPEC, dataset.without_test(), on_best=best.keep)
    network = trial_network(SPEC, dataset)
    network.load_state_dict(best.state)
    answers = validation_answers(network, dataset, dataset.rows(Part.VALIDATION))
    task = dataset.schema.target.task
    assert len(answers.outputs) == 192
    assert task.evaluate(dataset.target_encoder, answers.outputs, answers.target)["roc_auc"] == report.best_value


@pytest.mark.parametrize("architecture", ["mlp", *SMALL_NETWORKS])
def test_a_trial_goes_on_after_any_epoch_as_if_nothing_had_happened(dataset, architecture):
    spec = replace(SPEC, architecture=architecture, settings=SMALL_NETWORKS.get(architecture, SPEC.settings))

    def run(resume=None, stop=None):
        states, weights, found = [], [], []
        keep = lambda network: weights.append({name: value.clone() for name, value in network.state_dict().items()})  # noqa: E731
        hold = lambda state: states.append(pack_state(state))  # noqa: E731
        for report in train_trial(spec, dataset.without_test(), on_best=keep, on_epoch=hold, resume=resume):
            found.append(report)
            if report.epoch == stop:
                break
        return reported(found), states, weights

    whole, states, weights = run()
    assert len(whole) > 3
    for epoch in (1, len(whole) - 1):
        torch.manual_seed(0)
        rest, _, later = run(unpack_state(states[epoch - 1], "a checkpoint"))
        assert rest == whole[epoch:]
        for mine, theirs in zip(later[::-1], weights[::-1], strict=False):
            assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_the_model_is_one_network_that_averages_those_of_the_folds(store, tmp_path):
    result = orchestrator.train(
        table()[["a", "b", "y"]],
        target="y",
        folds=3,
        parameters={"depth": 1, "width": 4, "epochs": 1, "batch_size": 64},
        tracking_uri=store,
        register_model=False,
    )
    result.bundle.save(tmp_path / "bundle")
    assert result.bundle.metrics["rows"] == {"train": 192, "validation": 192, "test": 48}
    answers = orchestrator.ModelBundle.load(tmp_path / "bundle").predict(table()[["a", "b"]])
    assert set(answers["label"]) <= {"yes", "no"}
    again = orchestrator.reproduce(
        result.run_id,
        data=table()[["a", "b", "y"]],
        tracking_uri=store,
        register_model=False,
    )
    assert again.difference is None
