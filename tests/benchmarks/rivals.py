"""What users would pick instead: trains a rival on one file and writes what it says about another one.

Usage: python tests/benchmarks/rivals.py METHOD TRAIN.csv TEST.csv --target COLUMN --task TASK --seconds N --out FILE

Needs pandas and scikit-learn, and Optuna, FLAML or AutoGluon for the methods that are called so: `quality.py` may run
it with the Python of another environment. The file has a column for each class (its probability), or `value`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEED = 0
# HistGradientBoosting takes no more categories
MOST_CATEGORIES = 255
Model = Callable[[pd.DataFrame], np.ndarray]


def features(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the columns of numbers, and of the others."""
    numbers = [name for name in table if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool]
    return numbers, [name for name in table if name not in numbers]


def trees(table: pd.DataFrame, task: str, settings: dict[str, Any]) -> Any:
    """HistGradientBoosting, which is given categories as such where it can take them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    numbers, others = features(table)
    few = [name for name in others if table[name].nunique() <= MOST_CATEGORIES]
    many = [name for name in others if name not in few]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("few", encoder, few), ("many", encoder, many), ("numbers", "passthrough", numbers)])
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    return make_pipeline(columns, kind(categorical_features=list(range(len(few))), random_state=SEED, **settings))


def dense(table: pd.DataFrame, last: Any) -> Any:
    """A model that wants numbers: standardised, one-hot, what is missing filled and said."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, others = features(table)
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    return make_pipeline(ColumnTransformer([("numbers", scaled, numbers), ("others", one_hot, others)]), last)


def fitted(model: Any, task: str) -> Model:
    """How a model of scikit-learn answers."""
    return model.predict if task == "regression" else model.predict_proba


def hgb(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
    """HistGradientBoosting with its defaults."""
    del seconds
    return fitted(trees(table, task, {}).fit(table, target), task)


def hgb_tuned(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
    """HistGradientBoosting, tuned by Optuna on a fifth of the rows, then fitted on all of them."""
    import optuna
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
    from sklearn.model_selection import train_test_split

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # a tenth is for the fit on all rows
    end = time.monotonic() + 0.9 * seconds
    parts = train_test_split(
        table, target, test_size=0.2, random_state=SEED, stratify=None if task == "regression" else target
    )
    inner, held, inner_target, held_target = parts

    def settings(trial: optuna.Trial) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.5, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 128, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-6, 10.0, log=True),
            "max_features": trial.suggest_float("max_features", 0.3, 1.0),
            "max_iter": 1000,
            "early_stopping": True,
            "n_iter_no_change": 20,
        }

    def loss(trial: optuna.Trial) -> float:
        model = trees(table, task, settings(trial)).fit(inner, inner_target)
        if task == "regression":
            return float(root_mean_squared_error(held_target, model.predict(held)))
        answers = model.predict_proba(held)
        if task == "binary":
            return -float(roc_auc_score(held_target, answers[:, 1]))
        return float(log_loss(held_target, answers, labels=model.classes_))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    # Optuna's own time limit knows no other clock
    study.optimize(loss, callbacks=[lambda study, _trial: study.stop() if time.monotonic() >= end else None])
    model = trees(table, task, settings(optuna.trial.FixedTrial(study.best_params))).fit(table, target)
    print(f"{len(study.trials)} trials, {end + 0.1 * seconds - time.monotonic():.0f} s left")
    return fitted(model, task)


def mlp(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
    """scikit-learn's MLP with early stopping."""
    del seconds
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    options = {"early_stopping": True, "max_iter": 500, "random_state": SEED}
    if task == "regression":
        last: Any = TransformedTargetRegressor(MLPRegressor(**options), transformer=StandardScaler())
    else:
        last = MLPClassifier(**options)
    return fitted(dense(table, last).fit(table, target), task)


def linear(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
    """Logistic or ridge regression, its penalty chosen by folds."""
    del seconds
    from sklearn.linear_model import LogisticRegression, RidgeCV

    last = RidgeCV(np.logspace(-3, 4, 15)) if task == "regression" else LogisticRegression(max_iter=2000)
    return fitted(dense(table, last).fit(table, target), task)


def flaml(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
    """FLAML within the time."""
    from flaml import AutoML

    kinds = {"binary": ("classification", "roc_auc"), "multiclass": ("classification", "log_loss")}
    kind, metric = kinds.get(task, ("regression", "rmse"))
    automl = AutoML()
    automl.fit(table, target, task=kind, metric=metric, time_budget=seconds, seed=SEED, verbose=0, n_jobs=cores())
    return fitted(automl, task)


def autogluon(preset: str | None, networks: bool) -> Callable[..., Model]:
    """AutoGluon with a preset, or its networks alone."""

    def train(table: pd.DataFrame, target: pd.Series, task: str, seconds: float) -> Model:
        from autogluon.tabular import TabularPredictor

        metrics = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "root_mean_squared_error"}
        options: dict[str, Any] = {"hyperparameters": {"NN_TORCH": {}, "FASTAI": {}}} if networks else {}
        predictor = TabularPredictor("the target", task, metrics[task], path=tempfile.mkdtemp(), verbosity=0)
        predictor.fit(
            table.assign(**{"the target": target}), time_limit=seconds, presets=preset, num_cpus=cores(), **options
        )
        if task == "regression":
            return lambda rows: predictor.predict(rows).to_numpy()
        return lambda rows: predictor.predict_proba(rows)[sorted(target.unique())].to_numpy()

    return train


def count_processor_time() -> None:
    """Lets all clocks of this process tell its processors' time, spread over its cores: for machines with other work.

    A second then is one in which it had all of its cores, so that other programs cost it nothing; where it uses fewer
    cores than it may, it has more time than on an idle machine.
    """
    began, share = time.time(), cores()
    used = time.process_time

    def clock() -> float:
        return began + used() / share

    time.time = time.monotonic = time.perf_counter = clock


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


METHODS: dict[str, Callable[..., Model]] = {
    "hgb": hgb,
    "hgb_tuned": hgb_tuned,
    "mlp": mlp,
    "linear": linear,
    "flaml": flaml,
    "autogluon_medium": autogluon("medium_quality", networks=False),
    "autogluon_networks": autogluon(None, networks=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--task", required=True, choices=["binary", "multiclass", "regression"])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processor-time", action="store_true", help="count that instead of the time on the wall")
    given = parser.parse_args()
    if given.processor_time:
        count_processor_time()
    warnings.simplefilter("ignore")
    train, test = pd.read_csv(given.train), pd.read_csv(given.test)
    target = train.pop(given.target)
    test = test.drop(columns=given.target)
    model = METHODS[given.method](train, target, given.task, given.seconds)
    names = ["value"] if given.task == "regression" else [str(label) for label in sorted(target.unique())]
    pd.DataFrame(np.asarray(model(test)).reshape(len(test), len(names)), columns=names).to_csv(given.out, index=False)


if __name__ == "__main__":
    main()
