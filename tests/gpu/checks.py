"""The checks of tests/gpu/run.sh. Each is a generator of rows, and runs in a process of its own.

Usage: python checks.py CHECK ROWS_FILE
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import CARD, DEVICE, DRY, TOLERANCE, Row, dataset_of, difference, frame, spec_of, sweep
from networks import columns, families, losses, precision
from usage import costs, imports


def fractions(folder: Path) -> Iterator[Row]:
    """Four trials at a time on one card, with pauses and promotions."""
    log = folder / "epochs"

    def noted(spec, dataset, *, device, **more):
        import os
        import time

        import torch

        from orchestrator.training import train_trial

        began = time.time()
        for report in train_trial(spec, dataset, device=device, **more):
            held = torch.cuda.memory_allocated() if device != "cpu" else 1
            with log.open("a") as file:
                file.write(f"{began} {time.time()} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')} {held}\n")
            began = time.time()
            yield report

    result = sweep(
        folder,
        frame(20_000, 16, "binary"),
        noted,
        trials=12,
        epochs=9,
        space="quick",
        resources={"gpus_per_worker": CARD / 4},
        concurrency=4,
    )
    epochs = [line.split() for line in log.read_text().splitlines()]
    at_once = max(len({b[2] for b in epochs if float(b[0]) <= float(a[0]) < float(b[1])}) for a in epochs)
    statuses = [trial.status for trial in result.trials]
    promoted = sum(trial.attempts > 1 for trial in result.trials)
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in sorted(set(statuses)))
    cards, used = {a[3] for a in epochs}, all(int(a[4]) > 0 for a in epochs)
    yield Row(
        "a sweep of 12 trials, --gpus-per-worker 0.25",
        at_once == (min(4, os.cpu_count()) if DRY else 4) and "failed" not in statuses and used and len(cards) == 1,
        f"{result.slots} slots, {at_once} trials in an epoch at once, {counts}, {promoted} promoted from checkpoints, "
        f"{result.search_seconds:.0f} s searching, test roc_auc {result.test['roc_auc']:.3f}",
    )


MOODY = """
import torch
class Net(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.mood = settings['mood']
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)
        self.hoard = []
    def forward(self, numeric, categorical):
        if self.training and self.mood.startswith('fills'):
            # other checks are on the card, too
            torch.cuda.set_per_process_memory_fraction(0.25)
            while True:
                self.hoard.append(torch.empty(2**28, device=numeric.device))
        if self.training and self.mood.startswith('asserts'):
            return self.layer(numeric[torch.full((len(numeric),), 10**6, device=numeric.device)])
        return self.layer(numeric)
"""


def faults(folder: Path) -> Iterator[Row]:
    """Out of memory and an error that stays with the process; the trials after them are well."""
    (folder / "moody.py").write_text(MOODY)
    moods = ["fine 1", "asserts", "fine 3"] if DRY else ["fine 1", "fills", "fine 2", "asserts", "fine 3", "fine 4"]
    space = folder / "space.yaml"
    space.write_text(
        "epochs: 3\nparameters: {batch_size: 64}\narchitectures:\n  moody:Net:\n"
        f"    mood: {{type: categorical, choices: [{', '.join(moods)}]}}\n"
    )
    result = sweep(
        folder,
        frame(2000, 8, "binary"),
        space=str(space),
        algorithm="grid",
        scheduler="none",
        max_failures=1,
        register_model=False,
        resources={"gpus_per_worker": CARD},
        concurrency=1,
    )
    found = {trial.spec.settings["mood"]: trial for trial in result.trials}
    for mood, words in {
        "fills": "memory was not enough",
        "asserts": "CUDA error: device-side assert triggered",
    }.items():
        if mood in found:
            trial = found[mood]
            name = {
                "fills": "a trial that fills its quarter of the card",
                "asserts": "a trial with a device-side assert",
            }[mood]
            good = trial.status == "failed" and words in trial.reason and len(trial.reason) < 300
            yield Row(name, good, f"{trial.status} after {trial.attempts} attempts: {trial.reason}")
    well = [mood for mood in moods if mood.startswith("fine")]
    good = [mood for mood in well if found[mood].status == "finished"]
    yield Row(
        "the trials before, between and after them",
        good == well,
        f"{len(good)} of {len(well)} finished in the same slot",
    )


def gang(folder: Path) -> Iterator[Row]:
    """A worker group of one over NCCL: gradients, batch norm; an error that stays with the process."""
    import ray

    from orchestrator.cluster import ray_session
    from orchestrator.config import ResourceConfig
    from orchestrator.runtime.gangs.pool import GangPool
    from orchestrator.runtime.gangs.rendezvous import GangAssignment
    from orchestrator.runtime.tune.run import quiet_tune
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.storage import Storage
    from orchestrator.sweeps.messages import Attempt, FailureMessage, TrialMessage
    from orchestrator.training import train_trial

    told = folder / "backends"

    def wrapped(spec, dataset, *, ranks, **more):
        import inspect

        import torch.distributed as dist
        from torch.nn.parallel import DistributedDataParallel

        from orchestrator.training import ProcessGroupRanks, train_trial

        told.write_text(f"{dist.get_backend_config(ranks.group)} {type(ranks).__name__} {more['device']}")

        def wrap(network, options):
            if "forward_sync_buffers" not in inspect.signature(DistributedDataParallel).parameters:
                # what it is called before torch 2.13
                options = {name: value for name, value in options.items() if name != "forward_sync_buffers"}
                options["broadcast_buffers"] = False
            return DistributedDataParallel(network, **options)

        # a gang of one gets no DistributedDataParallel from Ray Train
        yield from train_trial(spec, dataset, ranks=ProcessGroupRanks(ranks.group, wrap), **more)

    (folder / "moody.py").write_text(MOODY)
    dataset = dataset_of(frame(8000, 12, "binary"))
    norm = spec_of(dataset, settings={"depth": 2, "width": 64, "normalization": "batch"}, epochs=4)
    bad = spec_of(dataset, "moody:Net", settings={"mood": "asserts"}, epochs=2)
    parts = dataclasses.replace(norm, accumulation=3)
    with ray_session():
        quiet_tune()
        pool = GangPool(ResourceConfig(gpus_per_worker=CARD), Storage.at(folder / "gangs"))
        pool.start(1)
        plain = WorkerSettings(storage=Storage.at(folder / "kept"), threads=4, device=DEVICE, modules=folder)
        synchronised = dataclasses.replace(plain, train=wrapped)
        data = ray.put(dataset.without_test())

        def trial(index: int, spec: Any, settings: Any) -> list[TrialMessage]:
            sent = GangAssignment(Attempt(index=index, number=1, spec=spec), ray.put((data, settings, ())))
            # the rendezvous hands on references inside of the assignment
            ray.get(pool.rendezvous.begin.remote(sent))
            messages: list[TrialMessage] = []
            while not messages or not messages[-1].is_last:
                messages.append(ray.get(pool.rendezvous.advance.remote(index, go_on=bool(messages)), timeout=60))
            ray.get(pool.rendezvous.end.remote(index))
            return messages

        try:
            for index, (name, spec, settings) in enumerate(
                [
                    ("DistributedDataParallel and shared batch norm", norm, synchronised),
                    ("the same, batches in 3 parts", parts, synchronised),
                    ("as Ray Train prepares it, batches in 3 parts", parts, plain),
                ]
            ):
                started = time.perf_counter()
                messages = trial(index, spec, settings)
                took = time.perf_counter() - started
                if isinstance(messages[-1], FailureMessage):
                    yield Row(f"a gang of one: {name}", False, messages[-1].reason)
                    continue
                reports = [message.report for message in messages]
                found = difference(list(train_trial(spec, dataset)), reports)
                backend = f", {told.read_text()}" if settings is synchronised else ""
                yield Row(
                    f"a gang of one: {name}",
                    found < TOLERANCE and (DRY or "nccl" in told.read_text()),
                    f"losses differ from the CPU's by {found:.1e}{backend}; {took:.1f} s",
                )
            (last,) = trial(10, bad, plain)
            yield Row(
                "a gang of one: a device-side assert",
                isinstance(last, FailureMessage)
                and "CUDA error: device-side assert triggered" in last.reason
                and last.lost,
                str(last),
            )
            started = time.perf_counter()
            messages = trial(11, norm, plain)
            yield Row(
                "a gang of one: the trial after it",
                not isinstance(messages[-1], FailureMessage),
                getattr(messages[-1], "reason", f"finished, {time.perf_counter() - started:.1f} s with a new worker"),
            )
        finally:
            pool.abandon()


def endpoint(folder: Path) -> Iterator[Row]:
    """A network that was trained on the card, answering over HTTP."""
    import requests

    from orchestrator.bundle import ModelBundle, make_bundle
    from orchestrator.networks import build_network
    from orchestrator.training import BestWeights, feature_shape, train_trial

    table = frame(8000, 12, "multiclass")
    dataset = dataset_of(table)
    spec = spec_of(dataset, settings={"depth": 2, "width": 128}, epochs=3)
    best = BestWeights()
    list(train_trial(spec, dataset, device=DEVICE, on_best=best.keep))
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    network.load_state_dict(best.state)
    make_bundle(network, dataset, {"metric": "log_loss"}).save(folder / "model")
    asked = table.drop(columns="target").head(100)
    wanted = ModelBundle.load(folder / "model").predict(asked)
    port, url = 18_765, "http://127.0.0.1:18765"
    options = ["--port", str(port), "--ingress", "python", "--execution", "torch", "--name", "card"]
    command = [sys.executable, "-m", "orchestrator", "deploy", str(folder / "model"), *options]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            deadline = time.monotonic() + 80
            while True:
                with contextlib.suppress(requests.RequestException):
                    if requests.get(f"{url}/readyz", timeout=1).ok:
                        break
                assert process.poll() is None, f"deploy ended with exit code {process.returncode}"
                assert time.monotonic() < deadline, "the endpoint did not answer"
                time.sleep(0.2)
            rows = json.loads(asked.to_json(orient="records"))
            execution = requests.get(f"{url}/schema", timeout=10).json()["execution"]
            answers, times = [], []
            for row in rows:
                started = time.perf_counter()
                answers += requests.post(f"{url}/predict", json=[row], timeout=10).json()["predictions"]
                times.append(time.perf_counter() - started)
            worst = max(
                abs(answer["probabilities"][name] - wanted[f"probability_{name}"].iloc[position])
                for position, answer in enumerate(answers)
                for name in answer["probabilities"]
            )
            yield Row(
                "an endpoint with a network that was trained on the card",
                worst < 1e-5,
                f"probabilities differ from the bundle's by {worst:.1e}; {execution['name']} ({execution['reason']}), "
                f"p50 {statistics.median(times) * 1e3:.1f} ms through the Python proxy",
            )
            from orchestrator.bundle import engines as code

            supported = "cuda" in Path(code.__file__).read_text().lower()
            yield Row(
                "the endpoint computes on the card",
                None if not supported else False,
                "not supported: replicas compute on the CPU" if not supported else "this check has to be written",
            )
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)


def plan(folder: Path) -> Iterator[Row]:
    """What a sweep on the card would need, by probes there."""
    from orchestrator.config import SweepConfig
    from orchestrator.data import load_table
    from orchestrator.runtime.probe.estimate import estimate_sweep

    config = SweepConfig.create(
        data="data frame", target="target", space="quick", trials=8, resources={"gpus_per_worker": CARD / 4}
    )
    found = estimate_sweep(config, load_table(frame(20_000, 16, "binary"), "table"), notify=print)
    (entry,) = found.architectures
    yield Row(
        "plan of a sweep with --gpus-per-worker 0.25",
        (entry.gpu_memory > 0 or DRY) and found.concurrency == (min(2, os.cpu_count()) if DRY else 4),
        f"{found.concurrency} at once, {entry.gpu_memory / 2**20:.1f} MB of the card "
        f"and {entry.memory / 2**20:.0f} MB each, about {found.seconds:.0f} s",
    )


def budget(folder: Path) -> Iterator[Row]:
    """What `sweep` does without options, with a time budget: folds, the default space, an ensemble."""
    seconds, slots = (30, 2) if DRY else (60, 8)
    started = time.perf_counter()
    result = sweep(
        folder,
        frame(1500, 12, "binary"),
        time_budget=f"{seconds}s",
        concurrency=slots,
        resources={"gpus_per_worker": CARD / slots},
    )
    took = time.perf_counter() - started
    statuses = [trial.status for trial in result.trials]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in sorted(set(statuses)))
    yield Row(
        f"the default sweep of 1,500 rows, {seconds} s, {slots} trials at a time on the card",
        "failed" not in statuses and took < 1.3 * seconds + 20,
        f"{counts}; {took:.0f} s with the start of Ray, test roc_auc {result.test['roc_auc']:.3f}",
    )


def speed(folder: Path) -> Iterator[Row]:
    """Trials per second of small networks, on the card and on the CPU, as many at a time."""
    trials, slots = (8, 2) if DRY else (48, 8)
    for name, share in {"on the card": CARD / slots, "on the CPU": 0.0}.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        result = sweep(
            place,
            frame(4000, 12, "binary"),
            trials=trials,
            epochs=6,
            space="quick",
            scheduler="none",
            algorithm="random",
            concurrency=slots,
            register_model=False,
            resources={"gpus_per_worker": share},
        )
        statuses = {trial.status for trial in result.trials}
        own = statistics.median(trial.seconds for trial in result.trials)
        yield Row(
            f"{trials} small trials of 6 epochs, {slots} at a time, {name}",
            statuses == {"finished"},
            f"{trials / result.search_seconds:.2f} trials/s ({result.search_seconds:.1f} s of "
            f"search); a trial takes {own:.2f} s",
        )


CHECKS = {
    "losses": losses,
    "families": families,
    "columns": columns,
    "fractions": fractions,
    "gang": gang,
    "faults": faults,
    "endpoint": endpoint,
    "plan": plan,
    "costs": costs,
    "imports": imports,
    "budget": budget,
    "speed": speed,
    "precision": precision,
}
# they measure times
ALONE = ("budget", "speed", "precision")


def main() -> int:
    name, file = sys.argv[1], Path(sys.argv[2])
    sys.path.append(str(Path.cwd()))
    try:
        with file.open("a") as out:
            for row in CHECKS[name](Path.cwd()):
                out.write(row.to_line())
                out.flush()
    except Exception as error:
        traceback.print_exc()
        words = " ".join(str(error).split())[:300]
        with file.open("a") as out:
            out.write(Row(name, False, f"{type(error).__name__}: {words}").to_line())
    return 0


if __name__ == "__main__":
    code = main()
    # Ray's threads, and a card with an error, may keep the process from its end
    sys.stdout.flush()
    os._exit(code)
