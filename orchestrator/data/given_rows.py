"""Rows as people give them in Python: data frames, dicts, lists of them, arrays; all become data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.notes import Note, warn
from orchestrator.errors import DataError

Rows = pd.DataFrame | pd.Series | Mapping[str, Any] | Iterable[Any]
FORMS = "give a data frame, a list of dicts, a dict of lists, or an array of 2 dimensions"
# names in a sentence
SHOWN = 5


def given_rows(rows: object, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as a data frame; one is given back as it is.

    Args:
        rows: a data frame of pandas, or what can be made one (`to_pandas`); a dict of lists, or of the cells of one
            row; a row of a data frame; a list of dicts, in which what one of them lacks is missing; an array of 2
            dimensions, or a list of lists.
        names: of the columns where rows have none, in this order, which is said in a warning; None where there are
            none yet, so that rows must have them.

    Raises:
        DataError: it is none of these, or has another number of columns.
    """
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(rows, pd.Series):
        return rows.to_frame().T.infer_objects()
    if hasattr(rows, "to_pandas"):
        found = rows.to_pandas()
        return given_rows(found, names)
    if isinstance(rows, Mapping):
        return _of_mapping(rows)
    if isinstance(rows, np.ndarray):
        return pd.DataFrame(rows) if rows.dtype.names else _unnamed(rows, names)
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes):
        return _of_list(list(rows), names)
    raise DataError(f"rows cannot be {_kind(rows)}; {FORMS}")


def _of_mapping(rows: Mapping[Any, Any]) -> pd.DataFrame:
    lists = [_is_column(cells) for cells in rows.values()]
    if not any(lists):
        # cells of one row
        return pd.DataFrame([dict(rows)])
    lengths = {name: len(cells) for (name, cells), is_list in zip(rows.items(), lists, strict=True) if is_list}
    if not all(lists) or len(set(lengths.values())) > 1:
        odd = next((name for name, is_list in zip(rows, lists, strict=True) if not is_list), None)
        what = (
            f"'{odd}' is no list"
            if odd is not None
            else f"there are {min(lengths.values())} to {max(lengths.values())} cells"
        )
        raise DataError(f"a dict has a list for each column, all of one length, but {what}; {FORMS}")
    return pd.DataFrame({name: _plain_cells(cells) for name, cells in rows.items()})


def _is_column(cells: object) -> bool:
    return (isinstance(cells, Sequence | pd.Series | pd.Index) and not isinstance(cells, str | bytes)) or (
        isinstance(cells, np.ndarray) and cells.ndim > 0
    )


def _plain_cells(cells: Any) -> Any:  # noqa: ANN401
    # each row of an array of more dimensions is a list
    return list(cells) if isinstance(cells, np.ndarray) and cells.ndim > 1 else pd.Series(cells).reset_index(drop=True)


def _of_list(rows: list[Any], names: Sequence[str] | None) -> pd.DataFrame:
    if all(isinstance(row, pd.Series) for row in rows):
        rows = [row.to_dict() for row in rows]
    if all(isinstance(row, Mapping) for row in rows):
        # without a row there are no names either
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(names or ()))
    if all(isinstance(row, tuple) and hasattr(row, "_fields") for row in rows):
        return pd.DataFrame(rows)
    return _unnamed(rows, names)


def _unnamed(rows: NDArray[Any] | list[Any], names: Sequence[str] | None) -> pd.DataFrame:
    """Rows of cells without names."""
    if names is None:
        raise DataError("the rows have no names of columns; give pandas.DataFrame(rows, columns=[...])")
    widths = set(_widths(rows))
    if None in widths:
        number = next(place for place, width in enumerate(_widths(rows), 1) if width is None)
        raise DataError(f"row {number} is no list of cells; {FORMS} (one row is a list of one row)")
    if widths - {len(names)}:
        width = next(iter(widths - {len(names)}))
        raise DataError(
            f"the rows have {width} cells without names, but the model has {len(names)} columns "
            f"({_listed(names)}); give them in this order, or a data frame with names"
        )
    warn(
        [Note(why="the rows have no names of columns", done=f"the cells are taken as {_listed(names)}, in this order")]
    )
    if isinstance(rows, np.ndarray):
        return pd.DataFrame(rows, columns=list(names))
    return pd.DataFrame({name: [row[place] for row in rows] for place, name in enumerate(names)}, columns=list(names))


def _widths(rows: NDArray[Any] | list[Any]) -> Iterator[int | None]:
    if isinstance(rows, np.ndarray):
        yield rows.shape[1] if rows.ndim == 2 else None  # noqa: PLR2004
        return
    for row in rows:
        yield len(row) if _is_column(row) else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", ... {names[-1]}" if len(names) > SHOWN else "")


def _kind(rows: object) -> str:
    return "None" if rows is None else f"of the type {type(rows).__name__}"
