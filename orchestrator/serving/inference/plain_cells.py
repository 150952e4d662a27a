"""Cells of any type as those that a file in a format can hold: `predict --keep` writes what stands in the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.columns.values import Series


def for_text(frame: pd.DataFrame) -> pd.DataFrame:
    """For CSV: lists and records become JSON, bytes text."""
    return _mapped(frame, lambda cell: json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell)


def for_json(frame: pd.DataFrame) -> pd.DataFrame:
    """For JSON: numbers in decimals become numbers, bytes and times texts."""
    return _mapped(frame, lambda cell: cell)


def for_parquet(frame: pd.DataFrame) -> Any:  # noqa: ANN401
    """A table of arrow: each column has the type that it has in the data; cells of several types become texts."""
    import pyarrow as pa

    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pa.table(columns, names=[str(name) for name in frame.columns])


def common_schema(tables: Sequence[Any]) -> Any:  # noqa: ANN401
    """The schema that all of some tables can have; what has no value anywhere is text."""
    import pyarrow as pa

    schema = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
    fields = [pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field for field in schema]
    return pa.schema(fields)


def _column(series: Series) -> Any:  # noqa: ANN401
    import pyarrow as pa

    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([None if _is_none(cell) else str(cell) for cell in series.tolist()], pa.string())


def _mapped(frame: pd.DataFrame, last: Callable[[Any], Any]) -> pd.DataFrame:
    """The frame with plain cells in columns that may hold others."""
    import pandas as pd

    changed = {}
    for place, dtype in enumerate(frame.dtypes):
        if pd.api.types.is_object_dtype(dtype) or isinstance(dtype, pd.ArrowDtype):
            cells = [last(_plain(cell)) for cell in frame.iloc[:, place].tolist()]
            changed[place] = pd.Series(cells, index=frame.index, dtype=object)
        elif isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
            changed[place] = frame.iloc[:, place].astype(str)
    if not changed:
        return frame
    columns = [changed.get(place, frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pd.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def _plain(cell: Any) -> Any:  # noqa: ANN401
    """A cell of JSON, or one that pandas writes as it should."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, dict):
        return {str(name): _plain(value) for name, value in cell.items()}
    if isinstance(cell, list | tuple | set | frozenset) or hasattr(cell, "tolist"):
        values = cell.tolist() if hasattr(cell, "tolist") else list(cell)
        return [_plain(value) for value in values] if isinstance(values, list) else values
    if isinstance(cell, Decimal):
        return float(cell) if cell.is_finite() else None
    if isinstance(cell, date | time):
        return cell.isoformat()
    if _is_none(cell):
        return None
    return cell if isinstance(cell, str | int | float) else str(cell)


def _is_none(cell: Any) -> bool:  # noqa: ANN401
    return cell is None or str(cell) in ("nan", "NaT", "<NA>")
