"""`--log-format json`: each line on stderr is an object, whoever says it."""

import json
import sys
from io import StringIO

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.cli.json_log import VARIABLE, JsonLog
from orchestrator.cli.options import notify
from orchestrator.display.json_log import JsonLogDisplay
from orchestrator.journal import Begun, Closed, Drawn, Ended, Opened, Outlook, Reported
from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.statuses import SweepStatus
from orchestrator.storage import Storage
from orchestrator.training import EpochReport, TrialSpec


@pytest.fixture
def file():
    return StringIO()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    # the option sets it for processes that a command starts
    monkeypatch.setenv(VARIABLE, "text")


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_whatever_is_printed_is_objects(file):
    log = JsonLog(file)
    print("note: one", file=log)
    log.write("Error: two")
    log.flush()
    log.write(" halves\nthree\n\n")
    log.say("four", "trial", level="warning", fields={"value": float("nan"), "reason": "\x1b[2J"})
    log.write("the last one")
    log.close()
    found = objects(file.getvalue())
    assert [(one["level"], one["event"], one["message"]) for one in found] == [
        ("info", "note", "one"),
        ("error", "error", "two halves"),
        ("info", "note", "three"),
        ("warning", "trial", "four"),
        ("info", "note", "the last one"),
    ]
    assert found[3]["value"] is None
    # nothing that drives a terminal
    assert "\x1b" not in file.getvalue()
    assert all(one["time"].endswith("+00:00") for one in found)


def test_sentences_are_objects_only_when_they_shall_be(capsys, file, monkeypatch):
    notify("as it is", "epoch", fields={"epoch": 1})
    assert capsys.readouterr().err == "as it is\n"
    monkeypatch.setattr(sys, "stderr", JsonLog(file))
    notify("as it is", "epoch", fields={"epoch": 1})
    (found,) = objects(file.getvalue())
    assert (found["message"], found["event"], found["epoch"]) == ("as it is", "epoch", 1)


def test_a_sweep_has_the_fields_of_json_lines(file):
    spec = TrialSpec(architecture="mlp", settings={"depth": 2})
    report = EpochReport(
        epoch=1,
        train_loss=0.5,
        validation={"roc_auc": 0.8},
        learning_rate=0.01,
        seconds=10.0,
        examples_per_second=1234.0,
        best_epoch=1,
        best_value=0.8,
        last=True,
    )
    header = Header(
        id="adult-1",
        name="adult",
        config={},
        space={},
        digest="",
        metric="roc_auc",
        run_id=None,
        tracking_uri="",
        threads=1,
        folder="",
        labels={},
        started=0.0,
        maximize=True,
    )
    with JsonLogDisplay(JsonLog(file).say) as display:
        display.notify("2 rows are alike")
        display.on_open(KnownSweep(header, Storage("/nowhere")), ())
        for event in [
            Opened(100.0, 2, Outlook(slots=1, epochs=3, trial_epochs=3.0)),
            Drawn(100.0, 0, spec, {}),
            Begun(101.0, 0, 1),
            Reported(at=105.0, index=0, report=report, train_seconds=3.0, kept=1, stored=1),
            Ended(106.0, 0, "finished", ""),
            Drawn(106.0, 1, spec, {}),
            Begun(106.0, 1, 1),
            Ended(107.0, 1, "failed", "no memory"),
            Closed(108.0, SweepStatus.FINISHED, ""),
        ]:
            display.on_event(event)
    note, begin, first, second, end = objects(file.getvalue())
    assert note["message"] == "2 rows are alike"
    assert (begin["event"], begin["trials"], begin["slots"]) == ("open", 2, 1)
    assert {name: first[name] for name in ("event", "level", "trial", "status", "value", "epochs", "seconds")} == {
        "event": "trial",
        "level": "info",
        "trial": 0,
        "status": "finished",
        "value": 0.8,
        "epochs": 1,
        "seconds": 5.0,
    }
    assert first["message"].startswith("[1/2] trial 0 mlp: roc_auc 0.8, finished")
    assert (second["level"], second["status"], second["reason"]) == ("warning", "failed", "no memory")
    assert (end["event"], end["status"], end["message"]) == ("close", "finished", "adult-1 is finished")
    assert {one["id"] for one in (begin, first, second, end)} == {"adult-1"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("chosen", [["--log-format", "json"], []], ids=["option", "variable"])
def test_a_command_says_everything_in_objects(chosen, tmp_path, store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # of one value in a column, which is said
    (tmp_path / "data.csv").write_text("a,b,label\n" + "".join(f"{row % 7},x,{row % 2}\n" for row in range(60)))
    arguments = ["train", "data.csv", "--target", "label", "--epochs", "2", "--set", "width=4", "--tracking-uri", store]
    variables = {VARIABLE: "text" if chosen else "json"}
    done = CliRunner(env=variables).invoke(main, [*arguments, "--no-register", *chosen])
    assert done.exit_code == 0, done.output
    said = objects(done.stderr)
    epochs = [one for one in said if one["event"] == "epoch"]
    assert [one["epoch"] for one in epochs] == [1, 2]
    assert all(set(one) >= {"validation", "train_loss", "learning_rate", "message"} for one in epochs)
    assert "best epoch" in done.stdout
    # what is wrong is an object, too
    failed = CliRunner(env=variables).invoke(main, ["train", "nothing.csv", "--target", "label", *chosen])
    (error,) = objects(failed.stderr)
    assert (failed.exit_code, error["level"], error["event"]) == (2, "error", "error")
    # it is over, and so is that
    assert not isinstance(sys.stderr, JsonLog)
