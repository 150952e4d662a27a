"""What both estimators share: their parameters, the sweep that `fit` runs, and how they are pickled."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from orchestrator.choices import AlgorithmName, PresetName, SchedulerName
from orchestrator.errors import InvalidInputError, UsageError
from orchestrator.estimators.rows import MIN_ROWS, TrainingRows, checked, column_names, feature_frame, training_rows

if TYPE_CHECKING:
    from orchestrator.bundle import ModelBundle
    from orchestrator.columns.wish import ColumnWish
    from orchestrator.config import ResourceConfig
    from orchestrator.runtime.result import SweepResult
    from orchestrator.tasks import Predictions

MOST_SEEDS = 2**31 - 1
BUNDLE, FILES = "bundle_", "bundle_files"
# parameters that are options of a sweep by the same name
OPTIONS = (
    "preset",
    "trials",
    "time_budget",
    "metric",
    "space",
    "architecture",
    "algorithm",
    "scheduler",
    "epochs",
    "patience",
    "folds",
    "ensemble",
    "max_latency",
    "max_size",
    "categorical",
    "ignore",
    "resources",
    "address",
    "name",
    "tracking_uri",
    "storage",
    "register_model",
)


class AutoMLEstimator(BaseEstimator):  # type: ignore[misc]
    """A sweep as an estimator; see `AutoMLClassifier` and `AutoMLRegressor`."""

    def __init__(
        self,
        *,
        preset: PresetName | None = None,
        trials: int | None = None,
        time_budget: timedelta | str | None = None,
        metric: str | None = None,
        space: str | None = None,
        architecture: str | None = None,
        algorithm: AlgorithmName | None = None,
        scheduler: SchedulerName | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        folds: int | str | None = None,
        ensemble: Literal["auto", "none"] | int | None = None,
        max_latency: timedelta | str | None = None,
        max_size: int | str | None = None,
        categorical: str | Sequence[str] | None = None,
        ignore: str | Sequence[str] | None = None,
        columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None = None,
        resources: ResourceConfig | Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        address: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        name: str | None = None,
        tracking_uri: str | None = None,
        register_model: bool = False,
        storage: str | Path | None = None,
        verbose: int = 0,
    ) -> None:
        self.preset = preset
        self.trials = trials
        self.time_budget = time_budget
        self.metric = metric
        self.space = space
        self.architecture = architecture
        self.algorithm = algorithm
        self.scheduler = scheduler
        self.epochs = epochs
        self.patience = patience
        self.folds = folds
        self.ensemble = ensemble
        self.max_latency = max_latency
        self.max_size = max_size
        self.categorical = categorical
        self.ignore = ignore
        self.columns = columns
        self.resources = resources
        self.n_jobs = n_jobs
        self.address = address
        self.random_state = random_state
        self.name = name
        self.tracking_uri = tracking_uri
        self.register_model = register_model
        self.storage = storage
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ANN401, N803
        """Searches the best network for these rows.

        A fifth of the rows is set aside to test the winner once (`test_scores_`), and what the options of the sweep say
        validates; so `cross_val_score` and `GridSearchCV` measure on rows of their own.

        Args:
            X: features, [rows, columns]: a data frame, whose columns may be of any kind, or an array. Values may be
                missing.
            y: what to predict, [rows].
            sample_weight: what each row counts in loss and metrics, at least 0, [rows].

        Raises:
            ValueError: the rows, or the parameters, cannot be used.
            OrchestratorError: the sweep has failed.
        """
        rows = checked(X, MIN_ROWS)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        name = y.name if isinstance(y, pd.Series) else None
        target = self._fit_target(y)
        # after the target: to look at that alone makes scikit-learn forget the names of columns
        validate_data(self, rows, skip_check_array=True)
        check_consistent_length(rows, target)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
        with _as_value_errors():
            table = training_rows(rows, self._names, pd.Series(target, name=name), weight)
            result = self._search(table)
            self._take(result)
        return self

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """What scikit-learn wants to know of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Plain data: of the model the files of its bundle, as bytes; never pickled objects of torch."""
        state: dict[str, Any] = dict(super().__getstate__())
        bundle: ModelBundle | None = state.pop(BUNDLE, None)
        if bundle is not None:
            state[FILES] = _files_of(bundle)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Reads the bundle again, with all the checks of `ModelBundle.load`."""
        files = state.get(FILES)
        super().__setstate__({name: value for name, value in state.items() if name != FILES})
        if files is not None:
            from orchestrator.bundle import ModelBundle

            self.bundle_ = ModelBundle.of_files(files, Path(f"a pickled {type(self).__name__}"))

    @property
    def _names(self) -> list[str]:
        return column_names(getattr(self, "feature_names_in_", None), self.n_features_in_)

    def _answers(self, X: Any) -> Predictions:  # noqa: ANN401, N803
        """What the model says about rows, [rows, columns], as `fit` takes them."""
        check_is_fitted(self)
        rows = checked(X)
        validate_data(self, rows, reset=False, skip_check_array=True)
        with _as_value_errors():
            answers = self.bundle_.answer(feature_frame(rows, self._names))
            answers.check_finite()
        return answers

    @abstractmethod
    def _fit_target(self, y: Any) -> NDArray[Any]:  # noqa: ANN401
        """Checks the target and remembers what has to be known of it; the labels or numbers of the table, [rows]."""

    @abstractmethod
    def _task(self) -> str:
        """Of the sweep."""

    def _take(self, result: SweepResult) -> None:
        self.bundle_ = result.bundle
        self.metric_ = result.metric.name
        self.validation_score_ = result.validation
        self.test_scores_ = dict(result.test)

    def _search(self, table: TrainingRows) -> SweepResult:
        from orchestrator.config import SweepConfig
        from orchestrator.data import load_table
        from orchestrator.display.notebook import sweep_hooks
        from orchestrator.estimators.running import searched
        from orchestrator.runtime.hooks import Hooks

        if self.register_model and self.tracking_uri is None:
            raise ValueError("register_model needs a tracking_uri: where shall the model be registered?")
        jobs = effective_n_jobs(self.n_jobs)
        given = {name: getattr(self, name) for name in OPTIONS}
        config = SweepConfig.create(
            **given,
            data="data frame",
            target=table.target,
            task=self._task(),
            columns={**table.numbers, **(self.columns or {})},
            weight=table.weight,
            seed=self._seed(),
            # how many fit, a cluster knows better than this machine
            concurrency=None if self.n_jobs == -1 or (self.n_jobs is None and self.address is not None) else jobs,
        )
        alone = jobs == 1 and self.address is None
        with sweep_hooks(None if self.verbose else Hooks(), Hooks(notify=print)) as hooks:
            return searched(config, load_table(table.frame, config.name), hooks or Hooks(), alone=alone)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(MOST_SEEDS))


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """What cannot be is a ValueError for scikit-learn."""
    try:
        yield
    except UsageError as error:
        if isinstance(error, ValueError):
            raise
        raise InvalidInputError(str(error)) from error


def _files_of(bundle: ModelBundle) -> dict[str, bytes]:
    from orchestrator.bundle.files import read_folder

    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = Path(folder) / "bundle"
        bundle.save(path)
        return read_folder(path)
