"""What was decided about a model after its training, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.cli.base import echo
from orchestrator.units import show_number


def show_decisions(metrics: Mapping[str, Any]) -> None:
    """Prints what the metrics of a bundle say; it may come from elsewhere."""
    for line in _threshold(metrics.get("threshold")):
        echo(line)


def _threshold(found: object) -> Iterator[str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("value"), float):
        return
    yield (
        f"threshold {show_number(found['value'])}: the label is {found.get('positive')!r} above this probability of it "
        f"({found.get('reason')})"
    )
    by, figures = found.get("by"), [found.get("test"), found.get("test_default")]
    if all(isinstance(value, float) for value in figures) and found["value"] != found.get("default"):
        default = f"{found['default']:.4g}" if isinstance(found.get("default"), float) else "the default"
        ours, its = (show_number(value) for value in figures)
        yield f"  test {by} {ours}, with {default} {its}"
