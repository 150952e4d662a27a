"""AutoMLRegressor: a sweep over networks that predict a number, as an estimator of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from orchestrator.estimators._base import AutoMLEstimator
from orchestrator.tasks.registry import task_of_numbers


class AutoMLRegressor(RegressorMixin, AutoMLEstimator):  # type: ignore[misc]
    """Searches the best network for rows with a number to predict.

    from orchestrator import AutoMLRegressor

    model = AutoMLRegressor(time_budget="2m").fit(X_train, y_train)
    model.score(X_test, y_test)

    Parameters and attributes are those of `AutoMLClassifier`, but for `classes_`.
    """

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """The number that is expected of each row: float64 [rows].

        Args:
            X: features, [rows, columns], as `fit` takes them.

        Raises:
            ValueError: a column is missing, or a value does not fit its column.
            NotFittedError: `fit` comes first.
        """
        found: NDArray[np.float64] = np.asarray(self._answers(X).values["value"], np.float64)
        return found

    def _fit_target(self, y: Any) -> NDArray[Any]:  # noqa: ANN401
        found: NDArray[np.float64] = validate_data(self, "no_validation", y, y_numeric=True).astype(np.float64)
        return found

    def _task(self) -> str:
        return task_of_numbers()
