"""Logged answers beside the truth that came later: joined by key, measured over time, compared with bounds."""

import json
import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from support import mixed_frame, quick_model

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.cli import main
from orchestrator.errors import DataError, UsageError
from orchestrator.serving.telemetry import request_log
from orchestrator.serving.telemetry.request_log import RequestLog
from orchestrator.tracking.outcomes import evaluate
from orchestrator.tracking.store import client_for

DAY = 86_400
START = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outcomes") / "bundle"
    return str(folder), made(mixed_frame(), folder, metric="roc_auc", test={"roc_auc": 0.875, "log_loss": 0.5})


def made(frame, folder, **metrics):
    network, dataset = quick_model(frame, "label")
    make_bundle(network, dataset, metrics).save(folder)
    return ModelBundle.load(folder)


@pytest.fixture
def logged(trained, tmp_path, monkeypatch):
    """Answers to 90 rows on three days, in requests of one row; gives the rows with key and truth, and the folder."""
    _, bundle = trained
    rows = mixed_frame(90, seed=8).assign(number=lambda frame: frame.number.where(frame.number.notna(), 0.5))
    rows["number"] = rows.number + np.arange(90) / 1000
    write(bundle, rows, tmp_path / "log", monkeypatch)
    return rows, tmp_path / "log"


def write(bundle, rows, folder, monkeypatch, *, name="bundle", version="", size=1, first=0):
    log = RequestLog(folder, 1.0, f"r{first}-{version}")
    answers = bundle.answer(rows.drop(columns="label")).values
    for start in range(0, len(rows), size):
        chosen = slice(start, start + size)
        monkeypatch.setattr(request_log.time, "time", lambda start=start: START + DAY * (start // 30))
        log.write(
            name,
            version,
            role="champion",
            request_id=f"q{first + start // size}",
            columns={"number": rows["number"][chosen].tolist(), "color": rows["color"].astype(object)[chosen].tolist()},
            rows=len(rows[chosen]),
            answers={key: values[chosen] for key, values in answers.items()},
        )
    monkeypatch.undo()
    log.close()


def truth_of(rows, size=1):
    found = pd.DataFrame({"_request": [f"q{at // size}" for at in range(len(rows))], "label": rows["label"]})
    return found if size == 1 else found.assign(_row=[at % size for at in range(len(rows))])


def probability(bundle, rows):
    return bundle.predict(rows.drop(columns="label"))[f"probability_{bundle.schema.target.task.classes[1]}"]


def test_figures_are_those_of_the_answers_by_day(trained, logged):
    folder, bundle = trained
    rows, log = logged
    found = evaluate(folder, log, truth_of(rows).sample(frac=1, random_state=0))
    positive = rows["label"] == bundle.schema.target.task.classes[1]
    score = probability(bundle, rows)
    assert found.total.figures["roc_auc"] == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert [(window.rows, window.known) for window in found.windows] == [(30, 30)] * 3
    assert [window.start for window in found.windows] == [datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    for day, window in enumerate(found.windows):
        part = slice(30 * day, 30 * day + 30)
        assert window.figures["roc_auc"] == pytest.approx(roc_auc_score(positive[part], score[part]), abs=1e-12)
    assert (found.model, found.version, found.metric, found.maximize, found.notes) == (
        "bundle",
        None,
        "roc_auc",
        True,
        (),
    )
    assert len(evaluate(folder, log, truth_of(rows), window="6h").windows) == 3
    assert len(evaluate(folder, log, truth_of(rows), window="7d").windows) == 1


def test_rows_of_a_request_are_told_apart_by_their_place(trained, tmp_path, monkeypatch):
    folder, bundle = trained
    rows = mixed_frame(60, seed=8)
    write(bundle, rows, tmp_path, monkeypatch, size=20)
    truth = truth_of(rows, 20)
    positive = rows["label"] == bundle.schema.target.task.classes[1]
    found = evaluate(folder, tmp_path, truth)
    assert found.total.known == 60
    assert found.total.figures["roc_auc"] == pytest.approx(
        roc_auc_score(positive, probability(bundle, rows)), abs=1e-12
    )
    with pytest.raises(UsageError, match=r"requests with several rows: add the column '_row'"):
        evaluate(folder, tmp_path, truth.drop(columns="_row"))
    # parts of before rows had a number
    for part in tmp_path.rglob("*.parquet"):
        pd.read_parquet(part).drop(columns=["_row"]).to_parquet(part)
    assert evaluate(folder, tmp_path, truth).total == found.total


def test_a_column_of_requests_is_a_key_whatever_its_type(trained, logged, tmp_path):
    folder, _ = trained
    rows, log = logged
    truth = rows[["number", "label"]].iloc[::-1]
    whole = evaluate(folder, log, truth_of(rows)).total
    assert evaluate(folder, log, truth, key="number").total == whole
    truth.to_csv(tmp_path / "truth.csv", index=False)
    assert evaluate(folder, log, str(tmp_path / "truth.csv"), key="number").total == whole
    with pytest.raises(UsageError, match=r"--key nummer: the log has no such column"):
        evaluate(folder, log, truth.rename(columns={"number": "nummer"}), key="nummer")


def test_what_is_missing_twice_or_new_is_counted_aloud(trained, logged):
    folder, bundle = trained
    rows, log = logged
    truth = truth_of(rows).iloc[:80]
    other = {label: next(one for one in bundle.schema.target.task.classes if one != label) for label in ("high", "low")}
    more = pd.DataFrame(
        {
            # again, otherwise, unknown, without a truth, of nobody
            "_request": ["q0", "q1", "q2", "q3", "x1", "x2"],
            "label": [truth.label[0], other[truth.label[1]], "medium", None, "high", "low"],
        }
    )
    found = evaluate(folder, log, pd.concat([truth, more]))
    assert (found.total.rows, found.total.known) == (90, 79)
    said = "\n".join(found.notes)
    assert "1 row of the data frame have no 'label' and are left out" in said
    assert "1 keys of the data frame have different truths and are left out (q1)" in said
    assert "1 row of the data frame say again what another one says" in said
    assert "1 row of the data frame have a class that the model does not know (medium)" in said
    assert "2 of 81 keys in the data frame are not in the log" in said
    assert "of 11 of 90 rows the truth is not known yet" in said


def test_an_answer_that_was_asked_for_twice_counts_once(trained, logged, monkeypatch):
    folder, bundle = trained
    rows, log = logged
    before = evaluate(folder, log, truth_of(rows)).total
    write(bundle, rows.iloc[:5], log, monkeypatch, version="")
    found = evaluate(folder, log, truth_of(rows))
    assert (found.total.rows, found.total.known) == (before.rows, before.known)
    assert "5 rows of the log have a key that was answered before: the first answer counts" in found.notes


def test_answers_of_other_versions_and_times_do_not_count(trained, logged, monkeypatch):
    folder, bundle = trained
    rows, log = logged
    write(bundle, rows.iloc[:7], log, monkeypatch, version="4", first=500)
    found = evaluate(folder, log, truth_of(rows))
    assert found.total.rows == 90
    assert "7 of 97 logged rows were answered by other versions (4)" in found.notes
    with pytest.raises(DataError, match=r"has no rows that a model without a version has answered in this time"):
        evaluate(folder, log, truth_of(rows), since="30d")


def test_numbers_are_measured_in_their_unit(tmp_path, monkeypatch):
    frame = mixed_frame(300, seed=2).drop(columns="label").dropna().rename(columns={"number": "label"})
    bundle = made(frame, tmp_path / "bundle", metric="package.module:mine")
    rows = frame.iloc[:40].reset_index(drop=True).assign(number=range(40))
    write(bundle, rows, tmp_path / "log", monkeypatch)
    found = evaluate(str(tmp_path / "bundle"), tmp_path / "log", truth_of(rows))
    expected = root_mean_squared_error(rows["label"], bundle.predict(rows.drop(columns="label"))["value"])
    assert found.total.figures["rmse"] == pytest.approx(expected, rel=1e-6)
    assert not found.maximize


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda truth: truth.drop(columns="label"), "there is no column 'label'"),
        (lambda truth: truth.drop(columns="_request"), "there is no column '_request'; --key COLUMN names another one"),
        (lambda truth: truth.assign(_request="x"), r"none of its \d+ keys"),
    ],
)
def test_truths_that_do_not_fit_are_refused(trained, logged, change, sentence):
    folder, _ = trained
    rows, log = logged
    with pytest.raises(UsageError, match=sentence):
        evaluate(folder, log, change(truth_of(rows)))


def test_a_log_that_is_none_is_refused(trained, logged, tmp_path):
    folder, _ = trained
    rows, log = logged
    with pytest.raises(UsageError, match=r"there is no log of the model 'bundle'.*needs --log-folder and --log-share"):
        evaluate(folder, tmp_path / "nowhere", truth_of(rows))
    assert evaluate(folder, log / "bundle", truth_of(rows)).total.known == 90
    (log / "bundle" / "date=2024-05-01" / "part-x-0001.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read"):
        evaluate(folder, log, truth_of(rows))


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_the_exit_code_says_whether_bounds_are_kept(trained, logged, tmp_path):
    folder, _ = trained
    rows, log = logged
    truth_of(rows).to_csv(tmp_path / "truth.csv", index=False)
    given = (folder, "--log-folder", log, "--truth", tmp_path / "truth.csv")
    kept = run(*given, "--bound", "roc_auc=0.1", "--bound", "log_loss=9")
    assert kept.exit_code == 0, kept.output
    assert re.search(r"2024-05-02 +30 +30 ", kept.output)
    assert re.search(r"test rows +0.875 +0.5", kept.output)
    assert "roc_auc over time" in kept.output
    worse = run(*given, "--bound", "roc_auc=1.01", "--bound", "log_loss=1e-9", "--json")
    assert worse.exit_code == 1
    assert re.fullmatch(
        r"roc_auc is [\d.]+, below the bound of 1.01\nlog_loss is [\d.]+, above the bound of 1e-9\n", worse.stderr
    )
    content = json.loads(worse.stdout)
    assert (content["kept"], content["bounds"]["roc_auc"], len(content["windows"])) == (False, 1.01, 3)
    for more, sentence in (
        (("--bound", "roc_auc"), "--bound roc_auc: give a metric and a number"),
        (("--bound", "roc_auk=1"), "did you mean roc_auc?"),
        (("--track",), "--track needs a registered model"),
        (("--tracking-uri", "http://127.0.0.1:9", "--key", "no"), "no"),
    ):
        failed = run(*given, *more)
        assert failed.exit_code == 2, failed.output
        assert sentence in failed.output
    # one class has no ROC curve
    rows[rows.label == "high"].pipe(lambda some: truth_of(rows).loc[some.index]).to_csv(tmp_path / "truth.csv")
    failed = run(*given, "--bound", "roc_auc=0.5")
    assert (failed.exit_code, "do not have this metric" in failed.output) == (2, True)


def test_figures_are_written_to_the_run_of_the_version(trained, logged, store, monkeypatch):
    folder, bundle = trained
    rows, log = logged
    client = client_for(store)
    run_id = client.create_run(client.create_experiment("flowers")).info.run_id
    client.create_registered_model("bundle")
    version = str(client.create_model_version("bundle", folder, run_id).version)
    write(bundle, rows, log, monkeypatch, version=version)
    for _ in range(2):
        found = evaluate(f"models:/bundle/{version}", log, truth_of(rows), tracking_uri=store, track=True)
        assert (found.version, found.total.known) == (version, 90)
        history = client.get_metric_history(run_id, "outcome_roc_auc")
        assert {(one.timestamp / 1000, one.value) for one in history} == {
            (window.start.timestamp(), window.figures["roc_auc"]) for window in found.windows
        }
        assert len({one.step for one in history}) == 3
