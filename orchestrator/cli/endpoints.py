"""How endpoints are shown: one line for each version that they serve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.cli.base import echo, print_table
from orchestrator.roles import Role
from orchestrator.units import show_number

if TYPE_CHECKING:
    from orchestrator.serving.status import EndpointStatus, ReplicaStatus, VersionSummary

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


def show_endpoints(found: Sequence[EndpointStatus]) -> None:
    """Prints a table of endpoints, then what is wrong with them."""
    print_table((line for endpoint in found for line in _lines(endpoint)), COLUMNS)
    for endpoint in found:
        for sentence in _sentences(endpoint):
            echo(f"{endpoint.name}: {sentence}")


def _lines(endpoint: EndpointStatus) -> list[list[str]]:
    where = [endpoint.state, endpoint.url]
    if endpoint.summary is None or not endpoint.summary.models:
        names = endpoint.models if endpoint.summary is None else ()
        return [[endpoint.name, ", ".join(names), *[""] * 9, *where]]
    # nobody has asked these in the last minute, so that they have had no share of anything
    asked = {row.model for row in endpoint.summary.models if row.share}
    return [
        [
            endpoint.name,
            row.model,
            row.version,
            row.role,
            "" if row.role == Role.SHADOW or row.model not in asked else f"{100 * row.share:.0f} %",
            str(row.requests),
            f"{row.requests_per_second:.1f}",
            _milliseconds(row.p50_ms),
            _milliseconds(row.p99_ms),
            str(row.refused),
            str(row.errors),
            *where,
        ]
        for row in endpoint.summary.models
    ]


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g} ms"


def _sentences(endpoint: EndpointStatus) -> list[str]:
    found = list(endpoint.problems or ())
    summary = endpoint.summary
    if summary is not None:
        found += _replica_sentences(summary.processes, endpoint.ingress)
        found += [sentence for row in summary.models for sentence in _version_sentences(row)]
        if summary.last_error is not None:
            when = datetime.fromtimestamp(summary.last_error.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            found.append(f"last error at {when}: {summary.last_error.message}")
    if endpoint.unknown:
        found.append(endpoint.unknown)
    return found


def _replica_sentences(replicas: Sequence[ReplicaStatus], ingress: str | None) -> list[str]:
    if not replicas:
        return []
    memory = sum(replica.memory for replica in replicas) / 2**20
    count = f"{len(replicas)} replica{'s' if len(replicas) > 1 else ''} behind {ingress}, {memory:.0f} MiB"
    return [count, *sorted({note for replica in replicas for note in replica.notes})]


def _version_sentences(row: VersionSummary) -> list[str]:
    found = []
    if row.worst_column is not None and row.psi[row.worst_column] >= DRIFTED:
        found.append(
            f"{row.model} version {row.version}: the inputs have drifted, most of all "
            f"'{row.worst_column}' (population stability index {row.psi[row.worst_column]:.2f})"
        )
    if row.role == Role.SHADOW and row.rows:
        found.append(_shadow_sentence(row))
    return found


def _shadow_sentence(row: VersionSummary) -> str:
    """How its answers differ: labels and probabilities, or values in the target's unit."""
    where = "answered with another label" if row.tolerance is None else f"more than {show_number(row.tolerance)} away"
    what = "probability" if row.tolerance is None else "value"
    return (
        f"{row.model} version {row.version} as shadow: {row.differences} of {row.rows} rows {where}; "
        f"difference of a {what}: mean {show_number(row.mean_difference)}, "
        f"largest {show_number(row.largest_difference)}"
    )


# the usual reading of the index: below 0.1 alike, above 0.25 another population (Siddiqi 2006)
DRIFTED = 0.25
