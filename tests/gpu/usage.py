"""Checks of what a sweep says it has used of a card, and of what an image for GPUs can import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from common import CARD, DEVICE, DRY, Row, frame, sweep

IMAGE = "orchestrator:gpu"
# every module of the package, what comes with a server's extra, and a product of matrices on the device
IMPORTS = """
import importlib, pkgutil, sys, torch, onnxruntime, mlflow.server, ray.serve, ray.train.torch, ray.tune, orchestrator
names = [found.name for found in pkgutil.walk_packages(orchestrator.__path__, 'orchestrator.')]
names = [name for name in names if not name.endswith('__main__')]
for name in names:
    importlib.import_module(name)
device = sys.argv[1]
assert device == 'cpu' or torch.cuda.is_available(), 'torch sees no GPU'
ones = torch.ones(64, 64, device=device)
assert (ones @ ones)[0, 0].item() == 64
card = torch.cuda.get_device_name(0) if device == 'cuda' else 'the CPU'
print(f'{len(names)} modules, torch {torch.__version__}, a product on {card}')
"""


def costs(folder: Path) -> Iterator[Row]:
    """GPU-hours and money of a sweep, and the memory of the card in MLflow, for each trial."""
    from mlflow.tracking import MlflowClient

    share = CARD / 2
    result = sweep(
        folder,
        frame(8000, 12, "binary"),
        trials=4,
        epochs=6,
        space="quick",
        scheduler="none",
        concurrency=2,
        register_model=False,
        resources={"gpus_per_worker": share},
        cost_per_gpu_hour=3.0,
        cost_per_cpu_hour=0.05,
    )
    hours = sum(trial.seconds for trial in result.trials) / 3600
    spent = result.spent
    yield Row(
        "GPU-hours of a sweep with --gpus-per-worker 0.5, and what they cost",
        abs(spent.gpu_hours - share * hours) <= 0.05 * hours
        and spent.cost is not None
        and abs(spent.cost - 3 * spent.gpu_hours - 0.05 * spent.cpu_hours) < 1e-9,
        f"{spent}; its 4 trials took {hours * 3600:.0f} s",
    )
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    parent = client.get_run(result.run_id)
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{result.run_id}'", max_results=100
    )
    for name, what in {
        "memory_usage_megabytes": "memory of the card that trials have reserved, in MLflow",
        "utilization_percentage": "use of the card, in MLflow",
    }.items():
        figures = [run.data.metrics.get(f"system/gpu_0_{name}") for run in runs]
        known = [figure for figure in figures if figure is not None]
        # the driver is asked through nvidia-ml-py, which not every machine has; what torch has reserved is always known
        optional = name.startswith("utilization") and not known
        yield Row(
            what,
            None if DRY or optional else len(runs) == len(known) == 4 and (max(known) > 0 or "utiliz" in name),
            f"{len(known)} of {len(runs)} trials, "
            + (f"{min(known):.1f} to {max(known):.1f}" if known else "no figures"),
        )


def imports(_: Path) -> Iterator[Row]:
    """All modules with this machine's torch; and in the image for GPUs, where there is an engine that has it."""
    yield _imported("all modules, here", [sys.executable, "-c", IMPORTS, DEVICE])
    what = f"the same in the image {IMAGE}"
    engines = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}
    engine = next((name for name in engines if _has_image(name)), None)
    if engine is None:
        yield Row(what, None, "not tried: neither docker nor podman has it here (docker/build.sh --target gpu)")
        return
    gpus = [] if DRY else engines[engine]
    yield _imported(what, [engine, "run", "--rm", "--shm-size", "1g", *gpus, IMAGE, "python", "-c", IMPORTS, DEVICE])


def _has_image(engine: str) -> bool:
    if shutil.which(engine) is None:
        return False
    asked = subprocess.run([engine, "image", "inspect", IMAGE], capture_output=True, timeout=30, check=False)
    return asked.returncode == 0 and bool(json.loads(asked.stdout))


def _imported(what: str, command: list[str]) -> Row:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
    return Row(what, done.returncode == 0, f"{' '.join(last)}; {time.perf_counter() - started:.1f} s")
