"""How endpoints are shown: one line for each version that they serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.cli.base import echo, print_table
from orchestrator.units import show_number

COLUMNS = (
    "endpoint",
    "model",
    "version",
    "role",
    "traffic",
    "requests",
    "req/s",
    "p50",
    "p99",
    "refused",
    "errors",
    "state",
    "url",
)


def show_endpoints(found: Sequence[Mapping[str, Any]]) -> None:
    """Prints what `status_of` gave for each endpoint: a table, then what is wrong."""
    print_table((line for endpoint in found for line in _lines(endpoint)), COLUMNS)
    for endpoint in found:
        for sentence in _sentences(endpoint):
            echo(f"{endpoint['name']}: {sentence}")


def _lines(endpoint: Mapping[str, Any]) -> list[list[str]]:
    where = [str(endpoint["state"]), str(endpoint["url"])]
    versions = endpoint.get("models") or []
    if not versions or isinstance(versions[0], str):
        return [[endpoint["name"], ", ".join(versions), *[""] * 9, *where]]
    return [
        [
            endpoint["name"],
            row["model"],
            row["version"],
            row["role"],
            "" if row["role"] == "shadow" else f"{100 * row['share']:.0f} %",
            str(row["requests"]),
            f"{row['requests_per_second']:.1f}",
            _milliseconds(row["p50_ms"]),
            _milliseconds(row["p99_ms"]),
            str(row["refused"]),
            str(row["errors"]),
            *where,
        ]
        for row in versions
    ]


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g} ms"


def _sentences(endpoint: Mapping[str, Any]) -> list[str]:
    found = list(endpoint.get("problems", []))
    processes = endpoint.get("processes", [])
    if processes:
        memory = sum(process["memory"] or 0 for process in processes) / 2**20
        found.append(
            f"{len(processes)} replica{'s' if len(processes) > 1 else ''} behind {endpoint['ingress']}, "
            f"{memory:.0f} MiB"
        )
    found += sorted({note for process in processes for note in process["notes"] or []})
    for row in endpoint.get("models", []):
        if isinstance(row, Mapping) and row["worst_column"] is not None and row["psi"][row["worst_column"]] >= DRIFTED:
            psi = row["psi"][row["worst_column"]]
            found.append(
                f"{row['model']} version {row['version']}: the inputs have drifted, most of all "
                f"'{row['worst_column']}' (population stability index {psi:.2f})"
            )
        if isinstance(row, Mapping) and row["role"] == "shadow" and row["rows"]:
            found.append(_shadow_sentence(row))
    error = endpoint.get("last_error")
    if isinstance(error, Mapping):
        when = datetime.fromtimestamp(error["time"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        found.append(f"last error at {when}: {error['message']}")
    elif error:
        found.append(str(error))
    return found


def _shadow_sentence(row: Mapping[str, Any]) -> str:
    """How its answers differ: labels and probabilities, or values in the target's unit."""
    tolerance = row["tolerance"]
    where = "answered with another label" if tolerance is None else f"more than {show_number(tolerance)} away"
    what = "probability" if tolerance is None else "value"
    return (
        f"{row['model']} version {row['version']} as shadow: {row['differences']} of {row['rows']} rows {where}; "
        f"difference of a {what}: mean {show_number(row['mean_difference'])}, "
        f"largest {show_number(row['largest_difference'])}"
    )


# the usual reading of the index: below 0.1 alike, above 0.25 another population (Siddiqi 2006)
DRIFTED = 0.25
