"""What scikit-learn hands an estimator, arrays or data frames, as the table that a sweep trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from orchestrator.columns.wish import ColumnWish

MIN_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The table of a sweep.

    Attributes:
        frame: the features, the target and, if rows weigh, their weights.
        target: name of its column.
        weight: name of its column, None without one.
        numbers: what is wished of columns that are known to be numbers.
    """

    frame: pd.DataFrame
    target: str
    weight: str | None
    numbers: dict[str, ColumnWish] = field(default_factory=dict)


def checked(rows: Any, least: int = 1) -> Any:  # noqa: ANN401
    """A data frame as it is; anything else as an array of two dimensions, in which values may be missing.

    Raises:
        ValueError, TypeError: scikit-learn's, about what is no table of at least so many rows.
    """
    if isinstance(rows, pd.DataFrame):
        # of a frame only the number of rows and columns can be wrong
        check_array(np.empty(rows.shape), ensure_min_samples=least, ensure_all_finite=False)
        return rows
    return check_array(rows, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least, input_name="X")


def column_names(names: NDArray[Any] | None, count: int) -> list[str]:
    """The names of the columns of a sweep: those of the data frame that was fitted, or made ones."""
    return [f"x{number}" for number in range(count)] if names is None else [str(name) for name in names]


def feature_frame(rows: Any, names: Sequence[str]) -> pd.DataFrame:  # noqa: ANN401
    """What `checked` gave as a data frame with these columns, its rows numbered from 0."""
    if isinstance(rows, pd.DataFrame):
        return rows.set_axis(list(names), axis=1).reset_index(drop=True)
    return pd.DataFrame(rows, columns=list(names)).infer_objects()


def training_rows(
    rows: Any,  # noqa: ANN401
    names: Sequence[str],
    target: pd.Series[Any],
    weight: NDArray[np.float64] | None,
) -> TrainingRows:
    """The table of a sweep.

    Args:
        rows: what `checked` gave.
        names: of its columns.
        target: of each row; its name is that of the column, if it has one that is free.
        weight: of each row, None if all count the same.
    """
    frame = feature_frame(rows, names)
    numbers = {}
    if not isinstance(rows, pd.DataFrame):
        # nobody says of the columns of an array that some are categories
        numbers = {name: ColumnWish(kind="numeric") for name in names if frame[name].dtype.kind in "fiu"}
    wanted = target.name if isinstance(target.name, str) and target.name else "target"
    target_name = _free(wanted, names)
    frame[target_name] = target.to_numpy()
    weight_name = None
    if weight is not None:
        weight_name = _free("sample_weight", [*names, target_name])
        frame[weight_name] = weight
    return TrainingRows(frame=frame, target=target_name, weight=weight_name, numbers=numbers)


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
