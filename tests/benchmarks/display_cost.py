"""What the display of a sweep costs the driver: 50 trials a second of 5 epochs each, on so many slots, simulated.

Usage: python tests/benchmarks/display_cost.py [--slots 64] [--rate 50] [--seconds 20] [--columns 120] [--lines 50]

The real controller, journal and display run in real time; only training takes no time. The picture is drawn in a
terminal of its own (a pty); with `--look` in this one, so that it can be looked at, resized and broken off.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import struct
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from orchestrator.display.displays import LogDisplay, TerminalDisplay
from orchestrator.journal import Closed, Journal, Outlook
from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.statuses import SweepStatus
from orchestrator.search import Decision, Proposals, SpecSampler, find_scheduler, find_searcher, load_space
from orchestrator.storage import Storage
from orchestrator.sweeps.controller import SweepController
from orchestrator.sweeps.disk import Disk
from orchestrator.sweeps.limits import Limits
from orchestrator.sweeps.messages import EpochMessage, FailureMessage
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.tasks import metric_named
from orchestrator.training import EpochReport

METRIC = "roc_auc"


class Room:
    """So many trials at once."""

    def __init__(self, slots):
        self.left = slots

    def admits(self, size):
        return self.left >= size

    def start(self, index, size):
        self.left -= 1

    def end(self, index):
        self.left += 1


class Worker:
    """A trial that gets better, each in its own way, and may fail."""

    def __init__(self, attempt, record, generator):
        self.attempt, self.generator, self.epoch = attempt, generator, attempt.epochs
        self.best, self.best_epoch = (record.value, record.report.best_epoch) if record.report else (0.0, 0)
        self.goal = 0.7 + 0.25 * random.Random(attempt.index).random()

    def message(self, seconds):
        if self.generator.random() < 0.002:
            return FailureMessage("the loss was not a number after a step of epoch 2")
        self.epoch += 1
        value = self.goal - 0.2 * self.generator.random() / self.epoch**0.5
        if value > self.best:
            self.best, self.best_epoch = value, self.epoch
        report = EpochReport(
            epoch=self.epoch,
            train_loss=1 - value,
            validation={METRIC: value, "log_loss": 1 - value},
            learning_rate=1e-3 / self.epoch,
            seconds=seconds,
            examples_per_second=1000 + 50_000 * self.generator.random(),
            best_epoch=self.best_epoch,
            best_value=self.best,
            last=self.epoch == self.attempt.spec.epochs,
        )
        return EpochMessage(report=report, train_seconds=seconds * self.epoch, kept=self.best_epoch, stored=1000)


def simulate(folder, display, options):
    """Runs a sweep; returns the seconds that it took."""
    space, metric = load_space("tabular"), metric_named(METRIC)
    scheduler = find_scheduler(options.scheduler)
    made = scheduler.create(options.epochs, space, 0)
    sampler = SpecSampler(space, METRIC, 0, {"epochs": options.epochs, "patience": 0})
    storage = Storage(str(folder))
    header = Header(
        id="adult-20260131-120000-1a2b",
        name="adult",
        config={"scheduler": options.scheduler, "algorithm": "random", "resources": {"cpus_per_worker": 1}},
        space={},
        digest="",
        metric=METRIC,
        run_id=None,
        tracking_uri="",
        threads=1,
        folder="",
        labels={},
        started=time.time(),
        maximize=True,
    )
    spent = [0.0]

    def tell(event):
        began = time.thread_time()
        display.on_event(event)
        spent[0] += time.thread_time() - began

    journal = Journal(storage, tell)
    controller = SweepController(
        trial_table=TrialTable(metric),
        proposals=Proposals(find_searcher("random"), sampler, metric, ()),
        scheduler=made,
        room=Room(options.slots),
        sizes=dict.fromkeys(space.architectures, 1),
        limits=Limits(2, 1.0, None),
        disk=Disk(storage, 1, None, lambda *_arguments, **_options: None),
        record=journal.record,
        notify=display.notify,
    )
    display.on_open(KnownSweep(header, storage), ())
    trials = round(options.rate * options.seconds)
    outlook = Outlook(
        slots=options.slots,
        epochs=options.epochs,
        rungs=made.rungs,
        trial_epochs=scheduler.expected_epochs(options.epochs, space),
        epoch_seconds=options.slots / options.rate / options.epochs,
        time_budget=options.budget,
    )
    controller.open(trials, outlook)
    began = time.perf_counter()
    status = SweepStatus.FINISHED
    try:
        run(controller, options)
    except KeyboardInterrupt:
        display.notify("stopping: finished trials are kept, the others can go on later (again to stop at once)")
        status = SweepStatus.INTERRUPTED
    controller.close()
    journal.record(Closed(time.time(), status, ""))
    journal.close()
    return time.perf_counter() - began, spent[0], len(controller.trial_table.ended())


def run(controller, options):
    """Epochs come as often as the rate of trials asks for, of all slots in turn."""
    generator, workers, number = random.Random(0), {}, 0
    pause = 1 / (options.rate * options.epochs)
    due = time.perf_counter()
    while True:
        while True:
            try:
                attempt = controller.next_attempt(str(number))
            except StopIteration:
                return
            if attempt is None:
                break
            controller.on_trial_start(str(number))
            workers[str(number)] = Worker(attempt, controller.trial_table.records[attempt.index], generator)
            number += 1
        if not workers:
            continue
        due += pause
        time.sleep(max(0.0, due - time.perf_counter()))
        name = generator.choice(list(workers))
        message = workers[name].message(pause * options.slots)
        decision = controller.on_trial_result(name, message)
        if message.is_last or decision is not Decision.CONTINUE:
            del workers[name]
            controller.on_trial_complete(name)


def terminal(columns, lines):
    """A terminal of that size; what is drawn there is read, as one does that shows it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    size = [0]

    def read():
        while chunk := os.read(master, 65_536):
            size[0] += len(chunk)

    threading.Thread(target=read, daemon=True).start()
    return os.fdopen(slave, "w", encoding="utf-8"), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--scheduler", default="none")
    parser.add_argument("--budget", type=float)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--look", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="display-") as name:
        os.environ["ORCHESTRATOR_HOME"] = str(Path(name) / "home")
        if options.look:
            with TerminalDisplay(sys.stderr) as display:
                simulate(Path(name) / "look", display, options)
            return
        os.environ.setdefault("TERM", "xterm-256color")
        file, written = terminal(options.columns, options.lines)
        for title, display in (("log", LogDisplay(lambda _line: None)), ("picture", TerminalDisplay(file))):
            before = time.process_time()
            with display:
                seconds, events, trials = simulate(Path(name) / title, display, options)
                drawing = display.seconds
            used = time.process_time() - before
            share = (events + drawing) / seconds
            print(
                f"{title}: {trials} trials in {seconds:.1f} s ({trials / seconds:.0f}/s) on {options.slots} slots; "
                f"the driver used {used:.2f} s of a core; of it events {events:.3f} s, drawing {drawing:.3f} s: "
                f"{share:.2%} of the driver's time, {written[0] / seconds / 1000:.1f} kB/s written"
            )


if __name__ == "__main__":
    main()
