"""Answers to test rows in a sweep's folder, and what a report computes of them."""

import json
import struct
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_sweeps import a_header, events_of, write_journal
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from orchestrator.data import RowNumbers
from orchestrator.errors import StorageError
from orchestrator.evaluation.intervals import bootstrap_interval
from orchestrator.evaluation.kept_answers import MOST_NUMBERS, MOST_ROWS, KeptAnswers, read_answers
from orchestrator.evaluation.scores import ScoreCurve, calibration
from orchestrator.journal import Closed, Opened
from orchestrator.journal.folder import find_sweep, sweeps_home, write_header
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.reports import make_report, pictures_of
from orchestrator.reports.content import Axis, Chart, MarkKind, ReportTable, Trace
from orchestrator.reports.pictures import PICTURED, to_png
from orchestrator.reports.sections.labels import label_tables
from orchestrator.reports.sections.numbers import number_tables
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import ANSWERS_FILE, Outcome
from orchestrator.tasks import Target, TargetEncoder, read_target

SWEEP = "a-20260101-000000-abcd"


def target(task, classes=()):
    return read_target({"name": "y", "task": task, "classes": list(classes)})


def answers(kind, count=200, weight=None, seed=0):
    """Answers that are often right, of a task by its name."""
    random = np.random.default_rng(seed)
    if kind == "regression":
        truth = random.normal(0, 1, count).astype(np.float32)
        outputs = (truth + random.normal(0, 0.3, count))[:, None].astype(np.float32)
        return KeptAnswers.of(target(kind), TargetEncoder(mean=100.0, std=10.0), outputs, truth, weight)
    classes = ("no", "yes") if kind == "binary" else ("a", "b", "c")
    truth = random.integers(len(classes), size=count)
    if kind == "binary":
        outputs = (2 * truth - 1 + random.normal(0, 1, count))[:, None].astype(np.float32)
    else:
        outputs = (2 * np.eye(3)[truth] + random.normal(0, 1, (count, 3))).astype(np.float32)
    return KeptAnswers.of(target(kind, classes), TargetEncoder(), outputs, truth, weight)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("weighted", [False, True])
def test_answers_are_read_as_they_were_written(tmp_path, kind, weighted):
    kept = answers(kind, weight=np.arange(200.0) if weighted else None)
    assert kept.name_of(3) == "test row 3"
    if weighted:
        kept = replace(kept, numbers=RowNumbers("rows.csv", np.arange(200) * 2 + 1))
    storage = Storage.at(tmp_path)
    assert read_answers(storage) is None
    storage.write(ANSWERS_FILE, kept.packed())
    found = read_answers(storage)
    assert isinstance(found.target, Target)
    assert (found.target, found.encoder, found.total) == (kept.target, kept.encoder, kept.total)
    for name in ("rows", "outputs", "truth", *(["weight"] if weighted else [])):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    assert found.name_of(3) == ("row 7 of rows.csv" if weighted else "test row 3")
    *_, misses = (number_tables if kind == "regression" else label_tables)(found)
    first = misses.rows[0][0]
    assert ("its number in rows.csv" in misses.caption) == weighted and (first % 2 == 1 or not weighted)
    storage.write(ANSWERS_FILE, kept.packed()[:-40])
    with pytest.raises(StorageError, match=rf"{ANSWERS_FILE}: damaged"):
        read_answers(storage)


@pytest.mark.parametrize(
    ("rows", "outputs", "kept"), [(50, 1, 50), (25_000, 1, MOST_ROWS), (9_000, 1000, MOST_NUMBERS // 1000)]
)
def test_no_more_than_some_rows_are_kept(rows, outputs, kept):
    found = KeptAnswers.of(
        target("regression"), TargetEncoder(), np.zeros((rows, outputs), np.float32), np.zeros(rows, np.float32), None
    )
    assert (len(found.rows), found.rows[0], found.rows[-1], found.total) == (kept, 0, rows - 1, rows)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40))
def test_curves_are_those_of_scikit_learn(rows):
    score, hit = (np.array(column) for column in zip(*rows, strict=True))
    if hit.all() or not hit.any():
        return
    curve = ScoreCurve.of(score.astype(np.float64), hit)
    false, true, _ = roc_curve(hit, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.roc, (false, true))
    precision, recall, thresholds = precision_recall_curve(hit, score)
    np.testing.assert_allclose(curve.precision[::-1], precision[: len(thresholds)][-len(curve.precision) :])
    np.testing.assert_allclose(curve.recall[::-1], recall[: len(thresholds)][-len(curve.recall) :])
    np.testing.assert_allclose(np.trapezoid(curve.roc[1], curve.roc[0]), roc_auc_score(hit, score))
    steps = np.diff(curve.recall, prepend=0.0)
    np.testing.assert_allclose((steps * curve.precision).sum(), average_precision_score(hit, score))


def test_calibration_counts_all_rows_once():
    probability = np.random.default_rng(0).random(1003)
    rows = calibration(probability, np.random.default_rng(1).random(1003) < probability)
    assert sum(count for count, _, _ in rows) == 1003
    assert all(abs(mean - share) < 0.2 for _, mean, share in rows)


def interval(kept, name, weight=None):
    task = kept.target.task
    shares = task.shares(kept.encoder, kept.outputs)
    return bootstrap_interval(partial(task.figure, name, kept.encoder), shares, kept.truth, weight)


def test_an_interval_is_as_wide_as_that_of_a_mean_error():
    kept = answers("regression", count=4000)
    low, high = interval(kept, "mae")
    # normal errors of deviation 3 have a mean absolute error of 2.394, of deviation 1.81
    assert low < 3 * np.sqrt(2 / np.pi) < high
    assert high - low == pytest.approx(2 * 1.96 * 1.81 / np.sqrt(4000), rel=0.25)
    assert interval(kept, "mae", np.full(4000, 2.0)) == pytest.approx((low, high), rel=0.02)
    assert interval(answers("binary", count=1), "roc_auc") is None


@pytest.mark.parametrize(
    ("kind", "metric"), [("binary", "roc_auc"), ("multiclass", "accuracy"), ("regression", "rmse")]
)
def test_a_report_tells_of_the_winner_on_test_rows(tmp_path, monkeypatch, kind, metric):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    kept, storage = answers(kind), sweeps_home().child(SWEEP)
    task = kept.target.task
    test = task.evaluate(kept.encoder, kept.outputs, kept.truth)
    write_header(storage, a_header(id=SWEEP, metric=metric, status=SweepStatus.FINISHED))
    trial = events_of(0, 0.5, end=TrialStatus.FINISHED)
    write_journal(SWEEP, Opened(99.0, 1), *trial, Closed(200.0, SweepStatus.FINISHED, ""))
    Outcome(
        status="finished",
        best=0,
        epoch=1,
        metric=metric,
        maximize=task.find_metric(metric).maximize,
        validation=0.5,
        test=test,
        trials={"finished": 1},
        digest="d",
        register=False,
        at=1.0,
    ).save(storage)
    storage.write(ANSWERS_FILE, kept.packed())
    report = make_report(find_sweep(SWEEP))
    assert report.troubles == ()
    section = next(section for section in report.sections if section.name == "winner")
    figures = {row[0]: row[1] for row in section.tables[0].rows}
    assert figures == test
    charts = {chart.name: chart for chart in section.charts}
    if kind == "regression":
        assert set(charts) == {"predicted", "residuals"}
        errors = [row[3] for row in section.tables[2].rows]
        assert [abs(error) for error in errors] == sorted(map(abs, errors), reverse=True)
        assert max(map(abs, errors)) == pytest.approx(10 * np.abs(kept.outputs[:, 0] - kept.truth).max(), rel=1e-5)
    else:
        assert set(charts) >= {"confusion", "roc", "precision-recall", "calibration"}
        assert ("threshold" in charts) == (kind == "binary")
        matrix = np.array([row[1:] for row in charts["confusion"].table.rows])
        assert matrix.sum() == 200
        assert np.trace(matrix) / 200 == pytest.approx(test["accuracy"])
    json.dumps(report.to_json(), allow_nan=False)
    pictures = pictures_of(report)
    assert set(pictures) == {f"{name}.png" for name in PICTURED if name in {chart.name for chart in report.charts}}
    for name, picture in pictures.items():
        width, height = struct.unpack(">II", picture[16:24])
        assert picture.startswith(b"\x89PNG") and width == 640 and height > 150 and len(picture) < 150_000, name


def test_names_in_pictures_are_no_formulas_and_long_ones_fit():
    names = ("$\\frac{$", "a name that is far too long for the side of a small picture", "東京", "_hidden")
    table = ReportTable(("name", "value"), tuple((name, 1.0) for name in names))
    bars = Trace(name="$x$", x=(1.0, None, 2.0, 0.0), y=names, marks=MarkKind.BARS)
    grid = Trace(name="rows", x=names, y=names, values=((1, 2, 3, 4),) * 4, marks=MarkKind.GRID)
    axis = Axis("", names=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x, trace in ((Axis("$"), bars), (axis, grid)):
            chart = Chart(name="c", title="50 $ or 60 $", about="", x=x, y=axis, traces=(trace,), table=table)
            assert to_png(chart).startswith(b"\x89PNG")
