"""What people want to know of each version of a model, made of merged snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.serving.messages import ServedModel
from orchestrator.serving.status import VersionSummary
from orchestrator.serving.telemetry.counting import SHADOW_TOLERANCE
from orchestrator.serving.telemetry.drift import stability
from orchestrator.serving.telemetry.histogram import MILLIONTHS, SECONDS_BOUNDS, Histogram
from orchestrator.serving.telemetry.merging import Snapshot, subtract

SHADOW = "shadow"
SERVER_ERROR = 500


def summary(
    merged: Snapshot, minute_ago: Snapshot, seconds: float = 60.0, served: Mapping[str, ServedModel] | None = None
) -> list[VersionSummary]:
    """The figures of each model and version, in this order.

    Args:
        merged: of all replicas, now.
        minute_ago: the same a while ago.
        seconds: that lie between the two, more than 0.
        served: of the models in it only those versions are shown, also when nobody has asked them yet.
    """
    served = served or {}
    recent = subtract(merged, minute_ago)["counters"]
    versions = [
        (model, version)
        for model in sorted({*served, *_seen(merged)})
        for version in sorted(served[model].versions if model in served else _seen(merged)[model], key=_in_order)
    ]
    return [_row(merged, recent, seconds, served, model, version) for model, version in versions]


def total_requests(merged: Snapshot) -> int:
    """Requests since the endpoint started, whoever answered them."""
    return _leaves(merged["counters"]["requests"])


def _row(
    merged: Snapshot,
    recent: dict[str, Any],
    seconds: float,
    served: Mapping[str, ServedModel],
    model: str,
    version: str,
) -> VersionSummary:
    counters = merged["counters"]
    role = served[model].versions[version].role if model in served else _role(counters, recent, model, version)
    shadow = _at(counters["shadow"], model, version)
    figures = _shadow_figures if role == SHADOW else _answer_figures
    now = figures(recent, model, version)
    latency: Histogram = now["seconds"]
    answered = _leaves(_answered(recent, model, version))
    of_model = sum(_leaves(_answered(recent, model, name)) for name in _at(recent["requests"], model))
    scale = merged["scales"].get(model, {}).get(version)
    psi = stability(merged["inputs"], merged["training"], model, version)
    return VersionSummary(
        model=model,
        version=version,
        role=role,
        **{name: value for name, value in figures(counters, model, version).items() if name != "seconds"},
        refused=_leaves(_at(counters["refused"], model, version)),
        requests_per_second=now["requests"] / seconds,
        p50_ms=_milliseconds(latency.quantile(0.5)),
        p99_ms=_milliseconds(latency.quantile(0.99)),
        share=answered / of_model if of_model else 0.0,
        differences=shadow.get("differences", 0),
        tolerance=None if scale is None else SHADOW_TOLERANCE * scale,
        mean_difference=mean_difference(merged, model, version),
        largest_difference=merged["largest"].get(model, {}).get(version, 0.0),
        observed_rows=_at(merged["inputs"], model, version).get("rows", 0),
        psi=psi,
        worst_column=max(psi, key=lambda name: psi[name], default=None),
    )


def mean_difference(merged: Snapshot, model: str, version: str) -> float:
    """Of a row that a shadow has answered, too: of its probabilities, or of its values in the target's unit."""
    shadow = _at(merged["counters"]["shadow"], model, version)
    scale = float(merged["scales"].get(model, {}).get(version, 1.0))
    return float(shadow["millionths"] / MILLIONTHS * scale / shadow["rows"]) if shadow.get("rows") else 0.0


def _answer_figures(counters: dict[str, Any], model: str, version: str) -> dict[str, Any]:
    requests = _answered(counters, model, version)
    latency = Histogram(SECONDS_BOUNDS)
    for role in requests:
        content = counters["seconds"][model][version][role]
        latency = latency.merge(Histogram.from_json(content, SECONDS_BOUNDS))
    return {
        "requests": _leaves(requests),
        "rows": _leaves(_at(counters["rows"], model, version)),
        "errors": sum(
            count
            for routes in requests.values()
            for statuses in routes.values()
            for status, count in statuses.items()
            if int(status) >= SERVER_ERROR
        ),
        "seconds": latency,
    }


def _shadow_figures(counters: dict[str, Any], model: str, version: str) -> dict[str, Any]:
    shadow = _at(counters["shadow"], model, version)
    return {
        "requests": shadow.get("requests", 0) + shadow.get("failures", 0),
        "rows": shadow.get("rows", 0),
        "errors": shadow.get("failures", 0),
        "seconds": Histogram.from_json(shadow.get("seconds"), SECONDS_BOUNDS),
    }


def _seen(merged: Snapshot) -> dict[str, set[str]]:
    """Models and their versions that anything was counted for."""
    found: dict[str, set[str]] = {}
    counters = merged["counters"]
    for model, versions in counters["requests"].items():
        found[model] = {version for version in versions if _answered(counters, model, version)}
    for section in (counters["batches"], counters["shadow"], merged["inputs"]):
        for model, versions in section.items():
            found.setdefault(model, set()).update(versions)
    return found


def _answered(counters: dict[str, Any], model: str, version: str) -> dict[str, Any]:
    """Requests by role that a version has answered; not those that reached none, which have no role."""
    return {role: routes for role, routes in _at(counters["requests"], model, version).items() if role}


def _role(counters: dict[str, Any], recent: dict[str, Any], model: str, version: str) -> str:
    """The role in which a version has answered most requests, the recent ones before all."""
    for section in (recent, counters):
        roles = {role: _leaves(routes) for role, routes in _answered(section, model, version).items()}
        if any(roles.values()):
            return max(sorted(roles), key=lambda role: roles[role])
    return SHADOW if _at(counters["shadow"], model, version) else ""


def _in_order(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)


def _at(tree: dict[str, Any], *path: str) -> dict[str, Any]:
    for name in path:
        tree = tree.get(name, {})
    return tree


def _leaves(tree: Any) -> int:  # noqa: ANN401
    return sum(map(_leaves, tree.values())) if isinstance(tree, dict) else int(tree)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
