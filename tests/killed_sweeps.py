"""Sweeps in processes of their own that are killed at a chosen moment, and what is in their records afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import processes
import psutil
from click.testing import CliRunner
from processes import ORCHESTRATOR
from support import empty_store

from orchestrator.cli import main

PATIENCE_SECONDS = 120
# as many cores as the Ray of the tests has: with more, a worker has more threads, and sums are rounded otherwise
TWO_CORES = {"RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 2})}
# the command, which kills itself when its journal has so many more lines with certain words: on a busy machine to watch
# it comes too late
DYING = """
import os, signal, sys
from orchestrator.journal.lines import GrowingFile

whole, words, left = GrowingFile.add, sys.argv.pop(1).encode(), int(sys.argv.pop(1))

def add(self, content):
    global left
    for line in content.splitlines(keepends=True):
        whole(self, line)
        left -= words in line
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

GrowingFile.add = add
from orchestrator.cli import main
main(prog_name="orchestrator")
"""
# a network whose trials take their time, or wait in their second epoch, as long as a file says so
PATIENT = """
import time
from pathlib import Path
import torch

class Net(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.waits, self.steps = settings['number'] == 1, 0
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)

    def forward(self, numeric, categorical):
        if self.training:
            self.steps += 1
            if Path(__file__).with_name('slow').exists():
                time.sleep(0.2)
            while self.waits and self.steps > 2 and Path(__file__).with_name('wait').exists():
                time.sleep(0.05)
        return self.layer(numeric)
"""
PATIENT_SPACE = """
epochs: {epochs}
patience: 0
parameters: {{batch_size: 64, learning_rate: 0.01}}
architectures:
  patient:Net:
    number: {{type: int, low: 0, high: 9}}
start_points:
  - {{architecture: patient:Net, number: 0}}
  - {{architecture: patient:Net, number: 1}}
"""


class Place(processes.Place):
    """A folder with a state folder and a store of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        super().__init__(folder, empty_store(folder), {**kept, **TWO_CORES})

    def start(self, *arguments: str) -> psutil.Popen:
        """The command in the background."""
        return self.start_program([*ORCHESTRATOR, *arguments], self.folder / "log")

    def run(self, *arguments: str, code: int = 0) -> str:
        """What the command prints to stdout."""
        done = super().run(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def here(self, *arguments: str, code: int = 0) -> str:
        """As `run`, but in this process, on the Ray that it has; what is said on stderr is added to the log."""
        with contextlib.chdir(self.folder):
            done = CliRunner(env=self.own).invoke(main, arguments)
        with (self.folder / "log").open("a") as log:
            log.write(done.stderr)
        assert done.exit_code == code, done.output
        return done.stdout

    def patient_sweep(self, trials: int, epochs: int) -> list[str]:
        """A sweep with the network `PATIENT`: while there is a file `slow`, or `wait`, it takes its time."""
        (self.folder / "patient.py").write_text(PATIENT)
        (self.folder / "space.yaml").write_text(PATIENT_SPACE.format(epochs=epochs))
        options = ["--space", "space.yaml", "--scheduler", "none", "--trials", str(trials)]
        return ["sweep", "sklearn:iris", *options]

    @property
    def sweep(self) -> Path | None:
        """The folder of its only sweep."""
        found = list((self.folder / "home" / "sweeps").glob("*/journal.jsonl"))
        return found[0].parent if found else None

    def events(self) -> list[dict]:
        """The journal's whole lines."""
        content = (self.sweep / "journal.jsonl").read_bytes() if self.sweep else b""
        return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]

    def lines(self, words: str = "\n") -> int:
        """How many events there are, that have certain words once: cheap enough to be asked all the time."""
        return (self.sweep / "journal.jsonl").read_bytes().count(words.encode()) if self.sweep else 0

    def kill_at(self, process: psutil.Popen, events: int) -> bool:
        """Kills a command when the journal has so many events; False if it was faster."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.lines() < events:
            if process.poll() is not None:
                return False
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True

    def killed_at(self, events: int, *arguments: str, words: str = "\n") -> bool:
        """Runs a command that dies (SIGKILL) when the journal has exactly so many events, those with certain words;
        False if it had fewer."""
        log = self.folder / "log"
        left = events - self.lines(words)
        process = self.start_program([sys.executable, "-c", DYING, words, str(left), *arguments], log)
        try:
            return process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        except psutil.TimeoutExpired:
            process.kill()
            raise AssertionError(log.read_text()) from None

    def trials(self) -> dict[int, dict]:
        """Of each trial: spec, reports without their times, status and reason of its last end."""
        found: dict[int, dict] = {}
        for event in self.events():
            match event["event"]:
                case "drawn":
                    found[event["index"]] = {"spec": event["spec"], "reports": [], "end": None}
                case "reported":
                    timeless = {k: v for k, v in event["report"].items() if "second" not in k}
                    found[event["index"]]["reports"].append(timeless)
                case "ended" if event["status"] != "interrupted":
                    assert found[event["index"]]["end"] is None, "a trial has ended twice"
                    found[event["index"]]["end"] = event["status"], event["reason"]
        return found

    def winner(self) -> tuple:
        """The best trial, its epoch, what is known of the ensemble, the figures of the model and all that it is of."""
        result = json.loads((self.sweep / "result.json").read_text())
        return tuple(result[name] for name in ("best", "epoch", "ensemble", "validation", "test", "model_digest"))

    def check_mlflow(self) -> None:
        """MLflow has one run per trial of the journal, with each metric point once, under one parent."""
        from mlflow import MlflowClient

        client, trials = MlflowClient(self.store), self.trials()
        runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=5000)
        parents = [run for run in runs if run.data.tags.get("orchestrator.kind") == "sweep"]
        assert [run.info.status for run in parents] == ["FINISHED"]
        children = [run for run in runs if run.data.tags.get("orchestrator.kind") == "trial"]
        assert sorted(int(run.data.tags["orchestrator.trial"]) for run in children) == sorted(trials)
        for run in children:
            trial = trials[int(run.data.tags["orchestrator.trial"])]
            assert run.data.tags["orchestrator.status"] == trial["end"][0]
            assert run.info.status == ("FAILED" if trial["end"][0] == "failed" else "FINISHED")
            for key, pick in (("train_loss", lambda r: r["train_loss"]), ("objective", lambda r: r["best_value"])):
                points = client.get_metric_history(run.info.run_id, key)
                assert [point.step for point in points] == list(range(1, len(trial["reports"]) + 1))
                assert [point.value for point in points] == [pick(report) for report in trial["reports"]]


def sweep_arguments(scheduler: str, trials: int, epochs: int, data: str = "sklearn:digits") -> list[str]:
    """A sweep of which two runs of the same seed are the same."""
    return [
        *("sweep", data, "--space", "quick", "--concurrency", "1", "--seed", "5"),
        *("--scheduler", scheduler, "--trials", str(trials), "--epochs", str(epochs)),
    ]


def assert_same(resumed: Place, whole: Place) -> None:
    """The same trials with the same configurations and the same metrics, the same stops, the same model."""
    assert resumed.trials() == whole.trials()
    assert resumed.winner() == whole.winner()
    resumed.check_mlflow()
