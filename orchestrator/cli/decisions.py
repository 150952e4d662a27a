"""What was decided about a model after its training, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.cli.base import echo
from orchestrator.units import show_apart, show_number


def show_decisions(metrics: Mapping[str, Any]) -> None:
    """Prints what the metrics of a bundle say; it may come from elsewhere."""
    for line in (*_temperature(metrics.get("temperature")), *_threshold(metrics.get("threshold"))):
        echo(line)


def _threshold(found: object) -> Iterator[str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("value"), float):
        return
    yield (
        f"threshold {show_number(found['value'])}: the label is {found.get('positive')!r} above this probability of it "
        f"({found.get('reason')})"
    )
    if found["value"] != found.get("default"):
        default = f"{found['default']:.4g}" if isinstance(found.get("default"), float) else "the default"
        yield from _test(found, default)


def _temperature(found: object) -> Iterator[str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("value"), float) or found["value"] == 1:
        return
    yield f"temperature {show_number(found['value'])} of the probabilities: {found.get('reason')}"
    yield from _test(found, "none")


def _test(found: Mapping[str, Any], default: str) -> Iterator[str]:
    one, other = found.get("test"), found.get("test_default")
    if isinstance(one, float) and isinstance(other, float):
        ours, its = show_apart(one, other)
        yield f"  test {found.get('by')} {ours}, with {default} {its}"
