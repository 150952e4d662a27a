"""Metrics of an endpoint in Prometheus' text format.

See https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.serving.messages import ServedModel
from orchestrator.serving.telemetry.drift import stability
from orchestrator.serving.telemetry.histogram import MILLIONTHS, SECONDS_BOUNDS, SIZE_BOUNDS, Histogram
from orchestrator.serving.telemetry.merging import Snapshot
from orchestrator.serving.telemetry.summary import mean_difference

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# a quarter of what is counted: each is a time series on the Prometheus server
SHOWN_SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
VERSION = ("model", "version")


def render(merged: Snapshot, served: Mapping[str, ServedModel], replicas: int, closed: int = 0) -> bytes:
    """All metrics as text.

    Args:
        merged: of all replicas, see `merge`.
        served: what the endpoint serves, by model.
        replicas: that answer now.
        closed: replicas that let nobody in, because their token file cannot be used.

    Returns:
        UTF-8 text; its media type is `CONTENT_TYPE`.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(merged, served, replicas, closed))
    text: bytes = generate_latest(registry)
    return text


class _Metrics:
    def __init__(self, merged: Snapshot, served: Mapping[str, ServedModel], replicas: int, closed: int) -> None:
        self._merged, self._served, self._replicas, self._closed = merged, served, replicas, closed

    def describe(self) -> list[Metric]:
        # the registry would otherwise collect once more to learn the names
        return []

    def collect(self) -> Iterator[Metric]:
        counters = self._merged["counters"]
        yield from _requests(counters)
        yield from _batches(counters["batches"])
        yield from _shadows(counters["shadow"], self._merged)
        yield from self._inputs()
        yield _gauge("queue_length", "Most requests that waited in the last second", ["model"], self._merged["queues"])
        yield from self._models()

    def _inputs(self) -> Iterator[Metric]:
        inputs = {
            (model, version): content
            for (model, version), content in _flat(self._merged["inputs"], 2)
            if model not in self._served or version in self._served[model].versions
        }
        drift = GaugeMetricFamily(
            "orchestrator_input_drift_psi",
            "Population stability index of recent inputs against the training rows",
            labels=[*VERSION, "column"],
        )
        rows = GaugeMetricFamily(
            "orchestrator_input_rows_observed", "Recent rows that the drift is computed of", labels=VERSION
        )
        for (model, version), content in inputs.items():
            rows.add_metric([model, version], content["rows"])
            found = stability(self._merged["inputs"], self._merged["training"], model, version)
            for column, value in found.items():
                drift.add_metric([model, version, column], value)
        yield drift
        yield rows

    def _models(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "orchestrator_model_info", "Versions that are served", labels=[*VERSION, "role", "execution"]
        )
        for model, content in self._served.items():
            for version, entry in content.versions.items():
                info.add_metric([model, version, entry.role, entry.execution], 1)
        yield info
        documentation = "1 for a version that the registry names and that is not served; the status says why"
        unserved = {name: content.unserved for name, content in self._served.items()}
        yield _gauge("version_not_served", documentation, ["model", "role", "version"], _named(unserved))
        weights = {model: content.weight for model, content in self._served.items()}
        yield _gauge("canary_weight", "Percent of requests that the canary answers", ["model"], weights)
        yield GaugeMetricFamily("orchestrator_replicas", "Replicas that answer", value=self._replicas)
        documentation = "Replicas that let nobody in, because their token file cannot be used"
        yield GaugeMetricFamily("orchestrator_replicas_closed", documentation, value=self._closed)


def _requests(counters: dict[str, Any]) -> Iterator[Metric]:
    labels = [*VERSION, "role"]
    yield _counter("requests", "Requests by answer", [*labels, "route", "status"], counters["requests"])
    yield _counter("rows", "Rows answered", labels, counters["rows"])
    yield _counter("refused", "Requests that were not computed", [*VERSION, "reason"], counters["refused"])
    family = HistogramMetricFamily(
        "orchestrator_request_duration_seconds", "From a request's arrival to its answer", labels=labels
    )
    for path, content in _flat(counters["seconds"], 3):
        _add_seconds(family, path, content)
    yield family


def _batches(batches: dict[str, Any]) -> Iterator[Metric]:
    sizes = {"requests": "Requests in a batch", "rows": "Rows in a batch"}
    for name, documentation in sizes.items():
        family = HistogramMetricFamily(f"orchestrator_batch_{name}", documentation, labels=VERSION)
        for path, content in _flat(batches, 2):
            _add_histogram(family, path, content[name], SIZE_BOUNDS, SIZE_BOUNDS)
        yield family
    family = HistogramMetricFamily("orchestrator_batch_seconds", "Computing a batch", labels=VERSION)
    for path, content in _flat(batches, 2):
        _add_seconds(family, path, content["seconds"])
    yield family


def _shadows(shadows: dict[str, Any], merged: Snapshot) -> Iterator[Metric]:
    counts = {
        "requests": "Copies of requests that a shadow has answered",
        "rows": "Rows compared with the answers that were given",
        "differences": "Of them, with another label, or a value further away than the tolerance",
        "failures": "Copies of requests that a shadow did not answer",
    }
    for name, documentation in counts.items():
        family = CounterMetricFamily(f"orchestrator_shadow_{name}", documentation, labels=VERSION)
        for path, content in _flat(shadows, 2):
            family.add_metric(path, content[name])
        yield family
    durations = HistogramMetricFamily("orchestrator_shadow_duration_seconds", "A shadow's answers", labels=VERSION)
    for path, content in _flat(shadows, 2):
        _add_seconds(durations, path, content["seconds"])
    yield durations
    documentation = "Largest difference of a probability, or of a value in the target's unit"
    yield _gauge("shadow_largest_difference", documentation, VERSION, merged["largest"])
    means = {model: {name: mean_difference(merged, model, name) for name in found} for model, found in shadows.items()}
    yield _gauge("shadow_mean_difference", documentation.replace("Largest", "Mean"), VERSION, means)


def _counter(name: str, documentation: str, labels: list[str], tree: dict[str, Any]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"orchestrator_{name}", documentation, labels=labels)
    for path, count in _flat(tree, len(labels)):
        family.add_metric(path, count)
    return family


def _gauge(
    name: str, documentation: str, labels: list[str] | tuple[str, ...], tree: Mapping[str, Any]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"orchestrator_{name}", documentation, labels=labels)
    for path, value in _flat(tree, len(labels)):
        family.add_metric(path, value)
    return family


def _add_seconds(family: HistogramMetricFamily, labels: tuple[str, ...], content: dict[str, Any]) -> None:
    _add_histogram(family, labels, content, SECONDS_BOUNDS, SHOWN_SECONDS)


def _add_histogram(
    family: HistogramMetricFamily,
    labels: tuple[str, ...],
    content: dict[str, Any],
    bounds: tuple[float, ...],
    shown: tuple[float, ...],
) -> None:
    buckets = Histogram.from_json(content, bounds).cumulative(shown)
    family.add_metric(labels, buckets, content["millionths"] / MILLIONTHS)


def _named(unserved: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, dict[str, int]]]:
    """{"adult": {"canary": "4"}} -> {"adult": {"canary": {"4": 1}}}."""
    return {model: {role: {version: 1} for role, version in roles.items()} for model, roles in unserved.items()}


def _flat(tree: Mapping[str, Any], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """{"a": {"b": 1}} with depth 2 -> (("a", "b"), 1)."""
    for name, value in tree.items():
        if depth == 1:
            yield (name,), value
        else:
            yield from (((name, *path), leaf) for path, leaf in _flat(value, depth - 1))
