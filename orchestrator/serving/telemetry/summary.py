"""What people want to know of each version of a model, made of merged counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.roles import Role
from orchestrator.serving.messages import ServedModel
from orchestrator.serving.status import VersionSummary
from orchestrator.serving.telemetry.counting import SHADOW_TOLERANCE
from orchestrator.serving.telemetry.drift import stability
from orchestrator.serving.telemetry.histogram import MILLIONTHS, SECONDS_BOUNDS, Buckets
from orchestrator.serving.telemetry.merging import Counts, ObservedInputs, ShadowCounts, Version, subtract

SERVER_ERROR = 500


@dataclass(frozen=True)
class _Figures:
    """Of a version: requests, rows, failures, and how long its answers took."""

    requests: int
    rows: int
    errors: int
    seconds: Buckets


def summary(
    merged: Counts, minute_ago: Counts, seconds: float = 60.0, served: Mapping[str, ServedModel] | None = None
) -> list[VersionSummary]:
    """The figures of each model and version, in this order.

    Args:
        merged: of all replicas, now.
        minute_ago: the same a while ago.
        seconds: that lie between the two, more than 0.
        served: of the models in it only those versions are shown, also when nobody has asked them yet.
    """
    served = served or {}
    recent = subtract(merged, minute_ago)
    shown = {name: set(model.versions) for name, model in served.items()}
    for model, version in _seen(merged):
        if model not in served:
            shown.setdefault(model, set()).add(version)
    return [
        _version_summary(merged, recent, seconds, served.get(model), (model, version))
        for model in sorted(shown)
        for version in sorted(shown[model], key=_in_order)
    ]


def total_requests(merged: Counts) -> int:
    """Requests since the endpoint started, whoever answered them."""
    return sum(merged.requests.values())


def mean_difference(merged: Counts, version: Version) -> float:
    """Of a row that a shadow has answered, too: of its probabilities, or of its values in the target's unit."""
    shadow = merged.shadows.get(version, ShadowCounts())
    scale = merged.scales.get(version, 1.0)
    return float(shadow.millionths / MILLIONTHS * scale / shadow.rows) if shadow.rows else 0.0


def _version_summary(
    merged: Counts, recent: Counts, seconds: float, served: ServedModel | None, key: Version
) -> VersionSummary:
    model, version = key
    role = served.versions[version].role if served is not None else _role(merged, recent, key)
    figures = _shadow_figures if role == Role.SHADOW else _answer_figures
    ever, now = figures(merged, key), figures(recent, key)
    answered = sum(_answers_by_role(recent, key).values())
    # requests that reached no version have no role
    of_model = sum(count for (name, _, role, *_), count in recent.requests.items() if name == model and role)
    scale = merged.scales.get(key)
    psi = stability(merged, key)
    return VersionSummary(
        model=model,
        version=version,
        role=role,
        requests=ever.requests,
        rows=ever.rows,
        errors=ever.errors,
        refused=sum(count for (*found, _), count in merged.refused.items() if tuple(found) == key),
        requests_per_second=now.requests / seconds,
        p50_ms=_milliseconds(now.seconds.quantile(0.5)),
        p99_ms=_milliseconds(now.seconds.quantile(0.99)),
        share=answered / of_model if of_model else 0.0,
        differences=merged.shadows.get(key, ShadowCounts()).differences,
        tolerance=None if scale is None else SHADOW_TOLERANCE * scale,
        mean_difference=mean_difference(merged, key),
        largest_difference=merged.largest.get(key, 0.0),
        observed_rows=merged.inputs.get(key, ObservedInputs()).rows,
        psi=psi,
        worst_column=max(psi, key=lambda name: psi[name], default=None),
    )


def _answer_figures(counts: Counts, version: Version) -> _Figures:
    statuses = [
        (int(status), count)
        for (*found, role, _, status), count in counts.requests.items()
        if tuple(found) == version and role
    ]
    latency = Buckets.empty(SECONDS_BOUNDS)
    for (*found, role), buckets in counts.seconds.items():
        if tuple(found) == version and role:
            latency += buckets
    return _Figures(
        requests=sum(count for _, count in statuses),
        rows=sum(count for (*found, _), count in counts.rows.items() if tuple(found) == version),
        errors=sum(count for status, count in statuses if status >= SERVER_ERROR),
        seconds=latency,
    )


def _shadow_figures(counts: Counts, version: Version) -> _Figures:
    shadow = counts.shadows.get(version, ShadowCounts())
    return _Figures(shadow.requests + shadow.failures, shadow.rows, shadow.failures, shadow.seconds)


def _seen(merged: Counts) -> set[Version]:
    """Versions that anything was counted for."""
    answered = {(model, version) for model, version, role, *_ in merged.requests if role}
    return answered | set(merged.batches) | set(merged.shadows) | set(merged.inputs)


def _answers_by_role(counts: Counts, version: Version) -> dict[str, int]:
    """Requests that a version has answered; not those that reached none, which have no role."""
    found: dict[str, int] = {}
    for (model, number, role, *_), count in counts.requests.items():
        if (model, number) == version and role:
            found[role] = found.get(role, 0) + count
    return found


def _role(merged: Counts, recent: Counts, version: Version) -> str:
    """The role in which a version has answered most requests, the recent ones before all."""
    for counts in (recent, merged):
        roles = _answers_by_role(counts, version)
        if any(roles.values()):
            return max(sorted(roles), key=lambda role: roles[role])
    return Role.SHADOW if version in merged.shadows else ""


def _in_order(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
