"""What is shown of a sweep follows from its events; the picture fits into any terminal, and lines into a log."""

import contextlib
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import threading
import time
from dataclasses import replace
from fcntl import ioctl

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.cli import main
from orchestrator.cli.job_log import FollowedLog
from orchestrator.display.displays import Display, LogDisplay, TerminalDisplay, read_hint, watch_hint
from orchestrator.display.following import find_followed, follow_sweep
from orchestrator.display.json_lines import JsonLinesDisplay, line_of
from orchestrator.display.lines import fitted_text, text_of
from orchestrator.display.log_lines import BURST, LogLines
from orchestrator.display.picture import draw
from orchestrator.display.screen import Screen
from orchestrator.display.sections import Machine
from orchestrator.errors import ExecutionError, StorageError
from orchestrator.journal import (
    Begun,
    Closed,
    Continued,
    Drawn,
    Ended,
    Journal,
    Lost,
    Opened,
    Outlook,
    Paused,
    Reported,
)
from orchestrator.journal.events import from_line, to_line
from orchestrator.journal.folder import Header, KnownSweep, sweeps_home, write_header
from orchestrator.journal.lock import locked
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.journal.tail import JournalTail
from orchestrator.runtime.hooks import Hooks, observed
from orchestrator.runtime.sweep_model import About, SweepModel
from orchestrator.storage import Storage
from orchestrator.tasks import metric_named
from orchestrator.text_plots import step_plot
from orchestrator.training import EpochReport, TrialSpec

OUTLOOK = Outlook(slots=2, epochs=6, rungs=(2, 4), trial_epochs=4.0, epoch_seconds=10.0, time_budget=600.0)
ABOUT = About(id="adult-1", name="adult", metric=metric_named("roc_auc"), workers={"mlp": 2}, cpus=3)
SPEC = TrialSpec(
    architecture="mlp",
    settings={"depth": 2, "width": 64},
    metric="roc_auc",
    epochs=6,
    batch_size=32,
    learning_rate=0.01,
    seed=0,
)


def epoch(at, index, number, value, *, best=None, last=False):
    best_epoch, best_value = best or (number, value)
    report = EpochReport(
        epoch=number,
        train_loss=0.5,
        validation={"roc_auc": value},
        learning_rate=0.01,
        seconds=10.0,
        examples_per_second=1234.0,
        best_epoch=best_epoch,
        best_value=best_value,
        last=last,
    )
    return Reported(at=at, index=index, report=report, train_seconds=10.0 * number, kept=best_epoch, stored=1)


def start(at, index):
    return [Drawn(at, index, SPEC, {}), Begun(at, index, 1)]


# two slots; trial 0 pauses at the first rung and goes on, trial 1 fails, trial 2 is stopped, trial 3 runs
STORY = [
    Opened(100.0, 8, OUTLOOK),
    *start(110.0, 0),
    *start(110.0, 1),
    epoch(120.0, 0, 1, 0.7),
    epoch(130.0, 0, 2, 0.8),
    Paused(130.0, 0),
    Ended(130.0, 1, TrialStatus.FAILED, "no memory"),
    *start(130.0, 2),
    Continued(130.0, 0, None, None),
    Begun(130.0, 0, 2),
    epoch(140.0, 2, 1, 0.6),
    epoch(150.0, 2, 2, 0.65),
    Paused(150.0, 2),
    epoch(150.0, 0, 3, 0.9),
    *start(150.0, 3),
    epoch(160.0, 0, 4, 0.85, best=(3, 0.9)),
]


def shown(model, now, width=80, height=30, **more):
    return "\n".join(text_of(line) for line in draw(model, now, width, height, **more))


def test_the_state_follows_from_the_events():
    model = SweepModel(ABOUT, STORY)
    assert {status: count for status, count in model.counts.items() if count} == {
        TrialStatus.RUNNING: 2,
        TrialStatus.PAUSED: 1,
        TrialStatus.FAILED: 1,
    }
    assert sorted(model.running) == [0, 3]
    assert (model.over, model.wanted, model.failures["no memory"]) == (1, 8, 1)
    # from the first trial's start, not from that of the session
    assert model.steps == [(10.0, 0.7), (20.0, 0.8), (40.0, 0.9)]
    assert [(rung.epoch, rung.came, rung.waiting) for rung in model.rungs()] == [(2, 2, 1), (4, 1, 0)]
    assert model.elapsed(165.0) == 55.0
    assert model.budget_left(165.0) == 545.0
    assert model.cores() == (2 * 2 * 3, 0.0)
    assert model.busy_share(160.0) == 1.0
    assert model.busy_share(210.0) == 1.0
    assert not model.search_is_over(165.0)


def test_sessions_add_up_and_a_killed_one_ends_with_its_last_event():
    model = SweepModel(ABOUT, STORY)
    model.apply(Opened(1000.0, 8, OUTLOOK))
    assert model.elapsed(1100.0) == 50.0
    assert model.running == {}
    assert model.counts[TrialStatus.WAITING] == 2
    model.apply(Begun(1010.0, 0, 3))
    assert model.elapsed(1020.0) == 60.0
    # it has been at that rung before, and that epoch is no new one
    model.apply(epoch(1020.0, 0, 4, 0.85, best=(3, 0.9)))
    assert [rung.came for rung in model.rungs()] == [2, 1]
    model.apply(Lost(1021.0, 0, "killed"))
    model.apply(Closed(1030.0, SweepStatus.FAILED, "no room"))
    assert (model.status, model.reason, model.elapsed(2000.0)) == (SweepStatus.FAILED, "no room", 70.0)


def test_the_time_that_is_left_is_the_plans_and_then_corrected_by_trials():
    model = SweepModel(ABOUT, [Opened(0.0, 8, replace(OUTLOOK, time_budget=None))])
    # 8 trials of 4 epochs of 10 s on 2 slots
    assert model.seconds_left(0.0) == 160.0
    for index in range(4):
        at = 10.0 * index
        for event in (*start(at, index), epoch(at + 5, index, 1, 0.5), Ended(at + 5, index, "stopped", "")):
            model.apply(event)
    # they were shorter: 1 epoch each, and the plan still counts as three trials
    assert model.seconds_left(50.0) == pytest.approx(4 * (3 * 4 + 4) / 7 * 10 / 2)
    for index in range(4, 8):
        for event in (*start(100.0, index), epoch(101.0, index, 1, 0.5), Ended(101.0, index, "finished", "")):
            model.apply(event)
    assert model.seconds_left(101.0) == 0.0
    assert model.search_is_over(101.0)


def test_where_nothing_is_planned_the_first_epoch_tells():
    model = SweepModel(ABOUT, [Opened(0.0, 4, replace(OUTLOOK, epoch_seconds=None, time_budget=30.0)), *start(0.0, 0)])
    assert model.seconds_left(10.0) == 20.0
    model.apply(epoch(1.0, 0, 1, 0.5))
    assert model.seconds_left(1.0) == 29.0
    without = SweepModel(ABOUT, [Opened(0.0, None, None), *start(0.0, 0)])
    assert without.seconds_left(5.0) is None
    assert "as many as the time allows" in shown(without, 5.0)


def test_the_picture_says_what_a_sweep_is_at():
    text = shown(SweepModel(ABOUT, STORY), 165.0, machine=Machine(nodes=1, cpus=16, gpus=0, load=0.5))
    for words in (
        "adult-1 · roc_auc, larger is better",
        "running",
        "1 of 8 over, 4 begun",
        "55 s of 10 min, about",
        "2 running · 1 paused · 0 finished · 0 stopped · 1 failed",
        "1 x no memory",
        "2 of 2 slots busy · 100% of their time · 12 of 16 cores · load 50%",
        "best    roc_auc 0.9  trial 0, mlp, epoch 3 of 6",
        "depth 2, width 64, learning_rate 0.01, batch_size 32",
        "rung 2   ━",
        "2 came, 1 wait",
    ):
        assert words in text
    row = next(line for line in text.splitlines() if line.startswith("    0  mlp"))
    assert row.split() == ["0", "mlp", "4/6", "0.85", "0.01", "1,234"]
    assert any("⠉" in line or "⠒" in line or "⠤" in line for line in text.splitlines())


def test_a_sweep_that_is_over_says_how():
    model = SweepModel(ABOUT, STORY)
    for index in (0, 2, 3):
        model.apply(Ended(170.0, index, TrialStatus.STOPPED, ""))
    # fewer than wanted, as with a time budget: it is not between two trials when nothing follows
    assert "running" in shown(model, 171.0).splitlines()[0]
    assert "choosing and testing the winner" in shown(model, 180.0).splitlines()[0]
    model.apply(Closed(190.0, SweepStatus.FINISHED, ""))
    assert shown(model, 200.0).splitlines()[0].endswith("finished")
    assert "left" not in shown(model, 200.0)


EVENTS = st.lists(
    st.tuples(st.sampled_from("erpsfco"), st.integers(0, 12), st.floats(0, 1), st.floats(0, 50)), max_size=60
)


def random_events(drawn):
    """Events that can follow each other, of many trials."""
    at, states, epochs = 0.0, {}, {}
    yield Opened(at, 13, OUTLOOK)
    for kind, index, value, seconds in drawn:
        at += seconds
        state = states.get(index)
        if state is None:
            states[index], epochs[index] = "running", 0
            yield from start(at, index)
        elif kind == "e" and state == "running" and epochs[index] < 6:
            epochs[index] += 1
            yield epoch(at, index, epochs[index], value, last=epochs[index] == 6)
        elif kind == "p" and state == "running":
            states[index] = "paused"
            yield Paused(at, index)
        elif kind == "c" and state == "paused":
            states[index] = "running"
            yield Continued(at, index, None, None)
            yield Begun(at, index, 2)
        elif kind in "sf" and state in ("running", "paused"):
            states[index] = "over"
            yield Ended(at, index, TrialStatus.STOPPED if kind == "s" else TrialStatus.FAILED, "reason \x1b[2J\n日本語")
        elif kind == "o":
            yield Closed(at, SweepStatus.INTERRUPTED, "")
            yield Opened(at, 13, OUTLOOK)
            states = {index: "paused" if state == "running" else state for index, state in states.items()}


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.integers(1, 250), st.integers(0, 60), st.booleans())
def test_any_sweep_fits_into_any_terminal_and_counts_what_its_table_has(drawn, width, height, plain):
    model = SweepModel(replace(ABOUT, id="名前-1", scheduler="asha", algorithm="tpe"))
    now = 0.0
    for event in random_events(drawn):
        model.apply(from_line(to_line(event)))
        now = event.at
    records = model.table.records.values()
    for status in TrialStatus:
        assert model.counts[status] == sum(record.status == status for record in records)
    assert set(model.running) == {record.index for record in records if record.status == TrialStatus.RUNNING}
    assert sum(rung.waiting for rung in model.rungs()) <= model.counts[TrialStatus.PAUSED]
    left = model.seconds_left(now)
    assert left is not None
    assert 0 <= left <= 600
    lines = [text_of(line) for line in draw(model, now + 1, width, height, plain=plain)]
    assert len(lines) <= height
    assert all(cell_len(line) <= max(20, width) for line in lines)
    assert not re.search(r"[\x00-\x1f]", "".join(lines))
    assert not plain or "".join(lines).isascii()


def test_a_curve_keeps_each_value_until_the_next():
    lines = step_plot([(0.0, 1.0), (5.0, 2.0)], 10.0, width=12, height=2, axis=("0 s", "9 s"), plain=True)
    assert [line.rstrip() for line in lines] == ["2      *****", "1 ******", "  0 s    9 s"]


def test_what_changed_in_the_first_tenth_only_is_seen():
    early = [(0.0, 9.0), (1.0, 2.0)]
    lines = step_plot(early, 40.0, width=42, height=2, axis=("0 s", "40 s"), plain=True)
    assert [line.rstrip() for line in lines[:2]] == ["9 **", f"2  {'*' * 39}"]
    # where more happened later, the axis is of that
    lines = step_plot([*early, (20.0, 1.0)], 40.0, width=42, height=2, axis=("0 s", "40 s"), plain=True)
    assert lines[0].startswith("2 ") and lines[1].startswith("1 ")


def test_a_text_is_cut_by_the_cells_that_it_takes():
    assert fitted_text("日本語", 5) == "日本…"
    assert fitted_text("mlp", 5) == "mlp  "


# in a log


def over(index, at, status=TrialStatus.FINISHED, reason=""):
    return [*start(at - 1, index), epoch(at, index, 1, 0.5 + index / 1000), Ended(at, index, status, reason)]


def written(model, log, events, now):
    found = []
    for event in events:
        model.apply(event)
        found += [line.text for line in log.lines_of(event, now)]
    return found


def test_few_trials_have_a_line_each():
    model = SweepModel(ABOUT, [Opened(0.0, 2, OUTLOOK)])
    log = LogLines(model, 0.0)
    assert written(model, log, over(0, 10.0), 10.0) == [
        "[1/2] trial 0 mlp: roc_auc 0.5, finished, 1.0 s, best 0.5 (trial 0)"
    ]
    assert written(model, log, over(1, 20.0, TrialStatus.FAILED, "no memory"), 20.0) == [
        "[2/2] trial 1 mlp: roc_auc 0.501, failed (no memory), 1.0 s, best 0.501 (trial 1)"
    ]


def test_many_trials_share_lines_and_none_is_left_out():
    model = SweepModel(ABOUT, [Opened(0.0, 1000, OUTLOOK)])
    log = LogLines(model, 0.0)
    lines = []
    for index in range(1000):
        lines += written(model, log, over(index, index / 50), index / 50)
    lines += [line.text for line in log.lines_of(Closed(21.0, SweepStatus.FINISHED, ""), 21.0)]
    assert BURST < len(lines) < BURST + 10
    more = [int(found[1]) for line in lines if (found := re.search(r"\] (\d+) more trials: \d+ finished, best", line))]
    assert sum(more) + sum("] trial " in line for line in lines) == 1000
    assert lines[-1].startswith("[1000/1000] ")


def test_a_new_reason_of_failure_is_always_said_and_a_long_silence_broken():
    model = SweepModel(ABOUT, [Opened(0.0, None, OUTLOOK)])
    log = LogLines(model, 0.0)
    for index in range(BURST + 5):
        written(model, log, over(index, 1.0), 1.0)
    (before, failed) = written(model, log, over(99, 1.0, TrialStatus.FAILED, "no memory"), 1.0)
    assert before == "[36] 5 more trials: 5 finished, best 0.599 (trial 99)"
    assert "trial 99" in failed
    written(model, log, start(5.0, 100), 5.0)
    assert log.lines_at(50.0) == []
    (line,) = log.lines_at(61.0)
    assert line.text.startswith("[36] 1 running, 35 finished, 1 failed, best 0.599 (trial 99), about ")
    assert log.lines_at(62.0) == []


# in a terminal


class Terminal:
    """A terminal, and what it would show."""

    def __init__(self, width, height):
        self.master, slave = pty.openpty()
        self.file = os.fdopen(slave, "w", encoding="utf-8")
        self.resize(width, height)
        self.text = ""

    def resize(self, width, height):
        ioctl(self.file.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self):
        """What has been written since."""
        found = b""
        while select.select([self.master], [], [], 0.05)[0]:
            found += os.read(self.master, 65536)
        return found.decode()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal(40, 10)
    yield made
    made.file.close()
    os.close(made.master)


def test_what_is_said_stands_above_the_picture(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.file)
    screen = Screen(terminal.file, lambda width, _height: [(("x" * (width // 2), "red"),), (("y", ""),)])
    screen.refresh()
    assert terminal.read() == f"\r\x1b[31m{'x' * 20}\x1b[0m\x1b[K\r\ny\x1b[K\r\n\x1b[J"
    # half as wide, the terminal breaks nothing: the lines are as long as it is wide
    terminal.resize(20, 10)
    screen.refresh()
    assert terminal.read().startswith("\r\x1b[2A\x1b[31m" + "x" * 10 + "\x1b")
    terminal.resize(5, 10)
    screen.refresh()
    assert terminal.read().startswith("\r\x1b[3A")
    screen.start()
    # a line at a time, whoever writes it and in however many pieces
    click.echo("a note", err=True)
    sys.stderr.write("anoth")
    sys.stderr.write("er\n")
    screen.stop()
    text = terminal.read()
    assert re.search(r"\x1b\[2A\x1b\[Ja note\r\n.*\x1b\[2A\x1b\[Janother\r\n", text, re.DOTALL)
    assert sys.stderr is terminal.file
    assert text.endswith("\r\n\x1b[J")
    # there is nothing to show again when the process is killed
    assert "\x1b[?25" not in text


HEADER = Header(
    id="adult-1",
    name="adult",
    config={"scheduler": "asha", "time_budget": "10m", "resources": {"cpus_per_worker": 3}},
    space={},
    digest="",
    metric="roc_auc",
    run_id=None,
    tracking_uri="",
    threads=1,
    folder="",
    labels={},
    started=0.0,
)


def test_a_display_follows_the_events_of_a_sweep(terminal):
    terminal.resize(120, 30)
    with TerminalDisplay(terminal.file) as display:
        display.notify("Ray starts")
        display.on_open(KnownSweep(HEADER, Storage("/nowhere")), STORY[:3])
        for event in STORY[3:]:
            display.on_event(event)
    text = terminal.read()
    assert "Ray starts\r\n" in text
    assert text.rindex("1 of 8 over, 4 begun") > text.index("Ray starts")
    assert "asha" in text


# for other programs

FIELDS = {
    "open": {"id", "name", "metric", "maximize", "trials", "over", "time_budget", "slots", "epochs", "rungs"},
    "trial": {"trial", "status", "reason", "architecture", "attempt", "epochs", "value", "seconds"},
    "epoch": {
        *("trial", "epoch", "epochs", "validation", "train_loss", "learning_rate", "examples_per_second", "seconds"),
        *("best_epoch", "best_value", "best_of_sweep"),
    },
    "close": {"id", "status", "reason"},
}


def test_lines_of_json_have_the_documented_fields_and_make_the_state():
    lines = []
    with JsonLinesDisplay(lines.append) as display:
        display.on_open(KnownSweep(HEADER, Storage("/nowhere")), [])
        for event in [*STORY, Closed(170.0, SweepStatus.FINISHED, "")]:
            display.on_event(event)
        display.on_result({"validation": float("nan")})
    told = [json.loads(line) for line in lines]
    assert len(told) == len(STORY) + 2
    for entry in told[:-1]:
        assert entry["version"] == 1
        assert entry.keys() - {"version", "event", "at", "parameters"} == FIELDS[entry["event"]]
    assert told[1]["parameters"]["depth"] == 2
    assert told[-1]["result"] == {"validation": None}
    statuses = {entry["trial"]: entry["status"] for entry in told if entry["event"] == "trial"}
    assert statuses == {0: "running", 1: "failed", 2: "paused", 3: "running"}
    assert [entry["trial"] for entry in told if entry.get("best_of_sweep")] == [0] * 4


def test_the_last_line_of_json_says_what_went_wrong():
    lines = []
    with pytest.raises(KeyboardInterrupt), JsonLinesDisplay(lines.append) as display:
        display.notify("a note\x1b[2J\u202e")
        raise KeyboardInterrupt
    assert all(line.isascii() and "\x1b" not in line for line in lines)
    note, error = map(json.loads, lines)
    assert (note["event"], note["text"]) == ("note", "a note\x1b[2J\u202e")
    assert (error["event"], error["message"], error["exit_code"]) == ("error", "stopped by the user", 1)
    assert json.loads(line_of("x", 1.0, {"y": float("inf")}))["y"] is None


def test_a_sweep_goes_on_when_nobody_reads_its_lines_and_says_so_at_the_end():
    calls = []

    def write(line):
        calls.append(line)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError), JsonLinesDisplay(write) as display:
        display.on_open(KnownSweep(HEADER, Storage("/nowhere")), [])
        for event in STORY:
            display.on_event(event)
        display.on_result({})
    assert len(calls) == 1


def test_an_observer_that_fails_is_told_no_more_and_the_sweep_goes_on():
    class Failing(Display):
        def on_event(self, event):
            raise ValueError("no such colour")

    heard, said = [], []
    tell = observed(heard.append, Hooks(notify=said.append, observer=Failing()))
    for event in STORY:
        tell(event)
    assert heard == STORY
    assert said == ["note: the sweep goes on without its display, which has failed: ValueError('no such colour')"]


# from another process


class Told(Display):
    """Remembers what it was told."""

    def __init__(self):
        self.opened, self.events = [], []

    def on_open(self, sweep, past):
        self.opened.append(len(past))
        self.events = list(past)

    def on_event(self, event):
        self.events.append(event)


@pytest.fixture
def sweep():
    """A sweep at home with the first half of its journal."""
    storage = sweeps_home().child("adult-1")
    write_header(storage, HEADER)
    with locked(storage, "adult-1"), writing(storage, STORY[:8]) as journal:
        yield KnownSweep(HEADER, storage), journal
    storage.clear()


@contextlib.contextmanager
def writing(storage, events):
    journal = Journal(storage)
    for event in events:
        journal.record(event)
    yield journal
    journal.close()


def test_a_journal_is_read_as_it_grows_and_again_when_lines_are_taken_back(tmp_path):
    storage = Storage(str(tmp_path))
    path, lines = tmp_path / "journal.jsonl", [f"{to_line(event)}\n" for event in STORY]
    tail = JournalTail(storage)
    assert tail.read() == ([], False)
    path.write_text("".join(lines[:3]) + lines[3][:20])
    assert tail.read() == (STORY[:3], False)
    path.write_text("".join(lines[:5]))
    assert tail.read() == (STORY[3:5], False)
    assert tail.read() == ([], False)
    path.write_text("".join(lines[:4]))
    assert tail.read() == (STORY[:4], True)
    # other lines in the place of those that were read, and more of them
    path.write_text("".join(lines[:2] + lines[9:]))
    assert tail.read() == (STORY[:2] + STORY[9:], True)
    path.write_text("".join([*lines[:2], *lines[9:], "x\n", lines[0]]))
    with pytest.raises(StorageError, match="line 14 is damaged"):
        tail.read()


def test_a_journal_in_an_object_store_is_read_segment_by_segment():
    storage = Storage.at("memory://display/adult-1")
    tail = JournalTail(storage)
    storage.write("journal/00000000-a.jsonl", "".join(f"{to_line(event)}\n" for event in STORY[:4]).encode())
    assert tail.read() == (STORY[:4], False)
    storage.write("journal/00000001-a.jsonl", f"{to_line(STORY[4])}\n".encode())
    assert tail.read() == ([STORY[4]], False)
    # another driver has begun before that was written: it does not count any more
    storage.write("journal/00000001-b.jsonl", f"{to_line(STORY[5])}\n".encode())
    assert tail.read() == ([*STORY[:4], STORY[5]], True)
    storage.clear()


def test_a_sweep_is_followed_until_nobody_drives_it(sweep):
    found, journal = sweep
    told, slept = Told(), []

    def sleep(_seconds):
        slept.append(0)
        if len(slept) == 1:
            for event in STORY[8:]:
                journal.record(event)
        if len(slept) == 2:
            journal.record(Closed(time.time(), SweepStatus.INTERRUPTED, ""))

    status = follow_sweep(found, told, ended=lambda: len(slept) > 2, sleep=sleep)
    assert status == SweepStatus.INTERRUPTED
    assert told.opened == [8]
    assert told.events[:-1] == STORY


def test_a_sweep_that_is_just_starting_is_waited_for():
    sweep_id = "adult-20260131-120000-1a2b"
    storage, said = sweeps_home().child(sweep_id), []
    with locked(storage_made(storage), sweep_id):
        header = replace(HEADER, id=sweep_id)
        found = find_followed("adult", None, said.append, lambda _seconds: write_header(storage, header))
    assert found.id == sweep_id
    assert said == [f"{sweep_id} is starting"]
    # nobody starts it any more
    storage.clear()
    storage_made(storage)
    with pytest.raises(ExecutionError, match="it was killed before anything was written down"):
        find_followed(sweep_id, None, said.append)
    storage.clear()


def storage_made(storage):
    storage.prepare()
    return storage


def test_watch_shows_a_sweep_that_was_killed_in_lines(sweep):
    found, journal = sweep
    journal.flush()
    # nobody has its lock
    copy = sweeps_home().child("adult-2")
    write_header(copy, replace(HEADER, id="adult-2"))
    with writing(copy, STORY):
        pass
    done = CliRunner().invoke(main, ["watch", "adult-2"])
    assert done.exit_code == 1
    assert done.stderr == "[1/8] 2 running, 1 paused, 1 failed, best 0.9 (trial 0), about 2 min 10 s left\n"
    assert done.stdout == "adult-2 is killed; go on with: orchestrator resume adult-2\n"
    unknown = CliRunner().invoke(main, ["watch", "adlt"])
    assert unknown.exit_code == 2
    assert "there is no sweep 'adlt'" in unknown.stderr
    copy.clear()
    assert found.id == "adult-1"


def test_the_log_of_a_job_tells_where_its_sweep_is(sweep, tmp_path):
    found, _ = sweep
    assert read_hint(watch_hint(found)) == ("adult-1", None)
    elsewhere = KnownSweep(replace(HEADER, id="a b-1"), Storage(str(tmp_path / "my sweeps" / "a b-1")))
    assert read_hint(watch_hint(elsewhere)) == ("a b-1", str(tmp_path / "my sweeps"))
    assert read_hint("trial 3") is None
    lines = []
    with LogDisplay(lines.append, hint=True) as display:
        display.on_open(found, [])
    assert lines == ["watch it with: orchestrator watch adult-1"]


def test_a_followed_job_is_shown_by_the_journal_of_its_sweep(sweep, terminal):
    found, journal = sweep
    terminal.resize(100, 30)
    threads = threading.active_count()
    with TerminalDisplay(terminal.file) as display:
        log = FollowedLog(display)
        log.write("8 trials of at most 6 epochs\n[1/8] trial 7 mlp: fini")
        log.write(f"shed\n{watch_hint(found)}\n")
        text = ""
        deadline = time.monotonic() + 30
        while "0 of 8 over" not in text:
            text += terminal.read()
            assert time.monotonic() < deadline, text
        log.write("[2/8] trial 8 mlp: finished\nnote: a note\n")
        for event in STORY[8:]:
            journal.record(event)
        journal.record(Closed(170.0, SweepStatus.FINISHED, ""))
        log.close()
    text += terminal.read()
    # what came before the picture stays, what it says better is left out
    assert "[1/8] trial 7 mlp: finished\r\n" in text
    assert "trial 8" not in text
    assert "note: a note\r\n" in text
    assert re.search(r"finished\S*\x1b\[K\r\n", text[text.rindex("adult-1") :])
    assert threading.active_count() <= threads + 1


def test_a_followed_job_whose_folder_is_elsewhere_keeps_its_lines(terminal):
    with TerminalDisplay(terminal.file) as display:
        log = FollowedLog(display)
        log.write("watch it with: orchestrator watch gone-1\n[1/8] trial 7 mlp: finished\n")
        log.close()
    assert "[1/8] trial 7 mlp: finished\r\n" in terminal.read()
