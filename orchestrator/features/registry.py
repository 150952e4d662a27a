"""All kinds of columns, in the order in which they are asked whether a column is theirs."""

from __future__ import annotations

from typing import Any

from orchestrator.columns.raw_column import RawColumn
from orchestrator.features._base import FeatureKind, Recognised
from orchestrator.features.boolean import BooleanKind
from orchestrator.features.categorical import CategoricalKind
from orchestrator.features.column import ColumnKind
from orchestrator.features.datetime import DatetimeKind
from orchestrator.features.numeric import NumericKind
from orchestrator.features.text import TextKind

KINDS: dict[ColumnKind, FeatureKind[Any, Any]] = {
    kind.kind: kind for kind in (BooleanKind(), NumericKind(), DatetimeKind(), TextKind(), CategoricalKind())
}


def recognise(raw: RawColumn) -> Recognised:
    """What a column is, and what the user should know about it; columns that say nothing are left out.

    Raises:
        DataError: it cannot be used.
    """
    if not raw.counts:
        return Recognised(None, f"column '{raw.name}' is empty: left out")
    if raw.is_constant:
        return Recognised(None, f"column '{raw.name}' has the same value in every row: left out")
    return next(found for kind in KINDS.values() if (found := kind.recognise(raw)) is not None)
