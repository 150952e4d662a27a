"""What the checks of a GPU share: where they run, the rows of the table, data and trials."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# for the development of this script on a machine without a GPU: never counts as passed, see table.py
DRY = os.environ.get("ORCHESTRATOR_GPU_DRY") == "cpu"
DEVICE = "cpu" if DRY else "cuda"
CARD = 0.0 if DRY else 1.0
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Row:
    """A line of the table; `passed` is None for what the project does not have."""

    what: str
    passed: bool | None
    figures: str

    def to_line(self) -> str:
        """JSON with an end of line."""
        passed = None if self.passed is None else bool(self.passed)
        figures = " ".join(self.figures.split()).replace("|", "/")
        return json.dumps({"what": self.what, "passed": passed, "figures": figures}) + "\n"


def frame(rows: int, numbers: int, kind: str, seed: int = 0) -> pd.DataFrame:
    """Rows with numbers, a category and a target that depends on them."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, numbers)).astype(np.float32)
    color = random.integers(0, 5, rows)
    score = values[:, :4].sum(1) + np.sin(3 * values[:, 0]) * values[:, 1] + 0.5 * color + random.normal(0, 0.5, rows)
    found = pd.DataFrame(values, columns=[f"x{number}" for number in range(numbers)])
    found["color"] = np.array(["red", "green", "blue", "grey", "pink"])[color]
    if kind == "regression":
        found["target"] = score
    else:
        parts = 2 if kind == "binary" else 4
        found["target"] = pd.qcut(score, parts, labels=[f"class {part}" for part in range(parts)]).astype(str)
    return found


def dataset_of(table: pd.DataFrame) -> Any:
    from orchestrator.data import DataOptions, open_dataset

    return open_dataset(table, DataOptions(target="target"))


def spec_of(dataset: Any, architecture: str = "mlp", **more: Any) -> Any:
    from orchestrator.training import TrialSpec

    return TrialSpec(architecture=architecture, metric=dataset.schema.target.task.find_metric().name, **more)


def difference(one: list[Any], other: list[Any]) -> float:
    """Largest relative difference of the losses of all epochs, in training and in validation."""
    assert len(one) == len(other), f"{len(one)} epochs and {len(other)}"
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        names = [name for name in ("log_loss", "rmse") if name in a.validation]
        pairs = [(a.train_loss, b.train_loss), *((a.validation[name], b.validation[name]) for name in names)]
        worst = max([worst, *(abs(x - y) / abs(x) for x, y in pairs)])
    return worst


def sweep(folder: Path, data: pd.DataFrame | str, train: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A sweep with a store of its own."""
    from orchestrator.config import SweepConfig
    from orchestrator.data import load_table
    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.sweeps import run_sweep

    named = {
        "data": data if isinstance(data, str) else "data frame",
        "target": None if isinstance(data, str) else "target",
    }
    more = {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "storage": str(folder / "sweeps"), **options}
    table = None if isinstance(data, str) else load_table(data, "table")
    return run_sweep(SweepConfig.create(**named, **more), table, Hooks(notify=print, train=train))
