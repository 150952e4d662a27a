"""AutoMLClassifier: a sweep over networks that predict classes, as an estimator of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from orchestrator.estimators._base import AutoMLEstimator
from orchestrator.estimators.labels import labels_of, places_of
from orchestrator.tasks.registry import task_of_labels

if TYPE_CHECKING:
    from orchestrator.runtime.result import SweepResult


class AutoMLClassifier(ClassifierMixin, AutoMLEstimator):  # type: ignore[misc]
    """Searches the best network for rows of two or more classes.

    from orchestrator import AutoMLClassifier

    model = AutoMLClassifier(time_budget="2m").fit(X_train, y_train)
    model.score(X_test, y_test)

    Args:
        preset, trials, time_budget: how much is tried, see `orchestrator.sweep`; `good` if nothing is said: 10 minutes
            and 40 trials at most.
        metric: what is optimised; that of the task if left out.
        space, architecture, algorithm, scheduler, epochs, patience, folds, ensemble, max_latency, max_size: see
            `orchestrator.sweep`.
        categorical, ignore, columns: what is said of columns of a data frame, by name; see `orchestrator.sweep`. The
            numbers of an array are numbers, unless `columns` says more: its columns are called x0, x1 and so on.
        resources: of one trial; see `ResourceConfig`.
        n_jobs: trials at once. 1, or None outside of a `joblib.parallel_config`: one after another in this process,
            without Ray. More, or -1 for all cores: on Ray, the one that this process is connected to if there is one.
        address: of a Ray cluster on which they run, as many at once as fit there unless `n_jobs` says otherwise.
        random_state: seed of the search and of all trials; None for another one each time.
        name: of the sweep and of the registered model.
        tracking_uri: MLflow store; without one MLflow hears nothing of the sweep.
        register_model: whether the winner is registered there.
        storage: where the sweep keeps its folder, for `orchestrator trials` and `resume`; without one nothing is kept.
        verbose: whether sentences about the sweep are printed; a notebook shows how it stands, too.

    Attributes:
        classes_: sorted, [classes].
        bundle_: the model as a `ModelBundle`, which `save` writes for `orchestrator deploy`.
        metric_, validation_score_: what was optimised, and the model's figure on the validation rows.
        test_scores_: metrics on the rows that were set aside, by name.
        n_features_in_, feature_names_in_: as scikit-learn has them.
    """

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
        """The class of each row: [rows], of the kind that `fit` was given.

        Args:
            X: features, [rows, columns], as `fit` takes them.

        Raises:
            ValueError: a column is missing, or a value does not fit its column.
            NotFittedError: `fit` comes first.
        """
        answers = self._answers(X)
        known = self.bundle_.schema.target.task.classes
        order = np.empty(len(known), np.int64)
        order[self._places] = np.arange(len(known))
        place = {label: number for number, label in enumerate(known)}
        said = np.array([place[label] for label in answers.values["label"]], np.int64)
        predicted: NDArray[Any] = self.classes_[order[said]]
        return predicted

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """The probability of each class, in the order of `classes_`: float64 [rows, classes]. See `predict`."""
        shares = np.asarray(self._answers(X).values["probabilities"], np.float64)
        found: NDArray[np.float64] = shares[:, self._places]
        return found

    def _fit_target(self, y: Any) -> NDArray[Any]:  # noqa: ANN401
        found = validate_data(self, "no_validation", y)
        check_classification_targets(found)
        self.classes_, codes = np.unique(found, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(f"y has only one class, {self.classes_[0]!r}; there is nothing to learn")
        labels: NDArray[Any] = labels_of(self.classes_)[codes]
        return labels

    def _task(self) -> str:
        return task_of_labels(len(self.classes_))

    def _take(self, result: SweepResult) -> None:
        super()._take(result)
        self._places = places_of(labels_of(self.classes_), result.bundle)
