"""How good the models are, beside what users would pick instead: the same rows, the same cores, the same time.

Usage: python tests/benchmarks/quality.py DATA_FOLDER --results quality.jsonl [--tables adult,phoneme] [--seconds 600]
           [--methods ours,hgb,hgb_tuned,mlp,linear] [--splits 42,1,2] [--python flaml=/path/to/python] [--table]
           [--processor-time]

DATA_FOLDER has CSV files and `manifest.json`, which says target and task of each. A fifth of the rows is for the test;
with the split 42 those of `train_test_split(test_size=0.2, random_state=42, stratify=target)` of scikit-learn. Each
result is a line of the file; what is there already is not measured again, so that a table grows over several runs.
With `--processor-time` the rivals' seconds are those of their processors, spread over the cores: on a machine that does
other things too they are not cut short by these. Ours always has the time on the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RIVALS = Path(__file__).parent / "rivals.py"
TABLES = ("german_credit", "car", "abalone", "wine_quality_white", "phoneme", "telco_churn", "california_housing")
METHODS = ("ours", "hgb", "hgb_tuned", "mlp", "linear")
# what is compared, and whether more is better
MAIN = {"binary": ("roc_auc", True), "multiclass": ("log_loss", False), "regression": ("rmse", False)}
# rivals whose time cannot be said
TIMELESS = ("hgb", "mlp", "linear")


def split(table: pd.DataFrame, target: str, task: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for training and for the test; those without a target are left out."""
    from sklearn.model_selection import train_test_split

    table = table[table[target].notna()]
    strata = None if task == "regression" else table[target]
    train, test = train_test_split(table, test_size=0.2, random_state=seed, stratify=strata)
    return train, test


def figures(answers: pd.DataFrame, target: pd.Series, task: str) -> dict[str, float]:
    """What the answers are worth."""
    from sklearn import metrics

    if task == "regression":
        value = answers["value"]
        return {
            "rmse": float(metrics.root_mean_squared_error(target, value)),
            "r2": float(metrics.r2_score(target, value)),
        }
    labels = sorted(target.unique())
    shares = answers[[str(label) for label in labels]].to_numpy()
    shares = shares / shares.sum(axis=1, keepdims=True)
    found = {
        "accuracy": float(metrics.accuracy_score(target, np.array(labels)[shares.argmax(axis=1)])),
        "log_loss": float(metrics.log_loss(target, shares, labels=labels)),
    }
    if task == "binary":
        found["roc_auc"] = float(metrics.roc_auc_score(target, shares[:, 1]))
    return found


def ours(place: Path, target: str, task: str, seconds: float) -> pd.DataFrame:
    """`orchestrator sweep` on the training rows with the time budget, `orchestrator predict` on the test rows."""
    home = {"ORCHESTRATOR_HOME": str(place / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
    run = [sys.executable, "-m", "orchestrator"]
    # the whole file is for training: the sweep's own test part is what we test on, too
    sweep = ["sweep", "train.csv", "--target", target, "--task", task, "--test", "test.csv", "--name", "ours"]
    # with folds where they pay
    budget = ["--preset", "best", "--time-budget", f"{seconds:.0f}s"]
    environment = {**os.environ, **home}
    subprocess.run([*run, *sweep, *budget], cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    predict = ["predict", "models:/ours@champion", "test.csv", "-o", "ours.csv"]
    subprocess.run([*run, *predict], cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    answers = pd.read_csv(place / "ours.csv")
    if task == "regression":
        return answers[["value"]]
    return answers.filter(regex="^probability_").rename(columns=lambda name: name.removeprefix("probability_"))


def rival(place: Path, method: str, target: str, task: str, given: argparse.Namespace) -> pd.DataFrame:
    """What another program says about the test rows."""
    python = dict(item.split("=", 1) for item in given.python).get(method, sys.executable)
    files = ["train.csv", "test.csv", "--out", "rival.csv"]
    asked = ["--target", target, "--task", task, "--seconds", str(given.seconds)]
    asked += ["--processor-time"] if given.processor_time else []
    subprocess.run([python, str(RIVALS), method, *files, *asked], cwd=place, check=True, stdout=subprocess.DEVNULL)
    return pd.read_csv(place / "rival.csv")


def measure(table: pd.DataFrame, about: Mapping[str, Any], given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is not yet in the file, one result after another."""
    target, task, name = about["target"], about["task"], about["name"]
    for seed in given.splits:
        train, test = split(table, target, task, seed)
        for method in given.methods:
            key = key_of({"table": name, "split": seed, "method": method, "seconds": given.seconds})
            if key in {key_of(result) for result in read(given.results)}:
                continue
            with tempfile.TemporaryDirectory(prefix="quality-") as folder:
                place = Path(folder)
                train.to_csv(place / "train.csv", index=False)
                test.to_csv(place / "test.csv", index=False)
                started = time.perf_counter()
                if method == "ours":
                    answers = ours(place, target, task, given.seconds)
                else:
                    answers = rival(place, method, target, task, given)
                took = time.perf_counter() - started
            clock = {"clock": "processor"} if given.processor_time and method != "ours" else {}
            shown = {metric: round(value, 6) for metric, value in figures(answers, test[target], task).items()}
            yield {
                **{"table": name, "split": seed, "method": method, "seconds": given.seconds, "took": round(took, 1)},
                **{"task": task, "rows": len(train), "cores": len(os.sched_getaffinity(0)), "figures": shown, **clock},
            }


def key_of(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is measured once."""
    seconds = None if result["method"] in TIMELESS else result["seconds"]
    return (result["table"], result["split"], result["method"], seconds)


def read(path: Path) -> list[dict[str, Any]]:
    """The results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def show(results: list[dict[str, Any]], seconds: float) -> None:
    """A table in Markdown: the mean of the splits of each table, and the mean rank of each method."""
    chosen = [result for result in results if result["method"] in TIMELESS or result["seconds"] == seconds]
    methods = sorted({result["method"] for result in chosen}, key=lambda name: (name != "ours", name))
    print(f"| table | metric | {' | '.join(methods)} |\n| --- | --- |{' ---: |' * len(methods)}")
    ranks: dict[str, list[float]] = {method: [] for method in methods}
    for table in sorted({result["table"] for result in chosen}):
        rows = [result for result in chosen if result["table"] == table]
        metric, more = MAIN[rows[0]["task"]]
        means = {
            method: float(np.mean([row["figures"][metric] for row in rows if row["method"] == method]))
            for method in methods
            if any(row["method"] == method for row in rows)
        }
        order = pd.Series(means).rank(ascending=not more)
        best = {method for method in means if order[method] == order.min()}
        cells = [
            ""
            if method not in means
            else f"{'**' if method in best else ''}{means[method]:.4g}{'**' if method in best else ''}"
            for method in methods
        ]
        print(f"| {table} | {metric} | {' | '.join(cells)} |")
        for method in means:
            ranks[method].append(float(order[method]))
    print(f"| mean rank | | {' | '.join(f'{np.mean(ranks[method]):.2f}' for method in methods)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--results", type=Path, default=Path("quality.jsonl"))
    parser.add_argument("--tables", type=lambda text: text.split(","), default=list(TABLES))
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--splits", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--python", action="append", default=[], metavar="METHOD=PATH")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--table", action="store_true", help="only show what is there")
    given = parser.parse_args()
    manifest = json.loads((given.data / "manifest.json").read_text())
    for name in [] if given.table else given.tables:
        about = {**manifest[name], "name": name}
        table = pd.read_csv(given.data / about["file"])
        for result in measure(table, about, given):
            with given.results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps(result), flush=True)
    show(read(given.results), given.seconds)


if __name__ == "__main__":
    main()
