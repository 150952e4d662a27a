"""Names of columns as users say them: `metrics.roc_auc`, `parameter.width`, or only `width`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.analysis.rows import METRICS, PARAMETERS
from orchestrator.errors import did_you_mean

# as MLflow allows them
PREFIXES = {
    **dict.fromkeys(("metrics", "metric"), METRICS),
    **dict.fromkeys(("params", "param", "parameters", "parameter"), PARAMETERS),
    **dict.fromkeys(("attributes", "attribute", "attr", "run"), ""),
}
SHOWN = 12


@dataclass(frozen=True)
class FoundColumn:
    """What a name stands for.

    Attributes:
        name: of the column.
        missing: why there is none, as a sentence; empty if there is one.
    """

    name: str
    missing: str = ""


def find_column(asked: str, columns: Sequence[str]) -> FoundColumn:
    """The column of a name.

    Args:
        asked: its full name, or one without `metrics.` or `params.` that only one column has.
        columns: that there are.
    """
    if asked in columns:
        return FoundColumn(asked)
    prefix, _, rest = asked.partition(".")
    full = f"{PREFIXES[prefix]}{rest}" if rest and prefix in PREFIXES else asked
    if full in columns:
        return FoundColumn(full)
    short = [name for name in (f"{METRICS}{asked}", f"{PARAMETERS}{asked}") if name in columns]
    if len(short) == 1:
        return FoundColumn(short[0])
    if short:
        return FoundColumn("", f"that may be {' or '.join(short)}; write which")
    kind = next((kind for kind in (METRICS, PARAMETERS) if full.startswith(kind)), "")
    known = [name for name in columns if name.startswith(kind)]
    near = did_you_mean(full, columns) or did_you_mean(full, [name.rpartition(".")[2] for name in known])
    listed = f" (known: {', '.join(known[:SHOWN])}{', ...' if len(known) > SHOWN else ''})"
    return FoundColumn("", f"no trial has that{near or listed}")
