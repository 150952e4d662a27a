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
from orchestrator.serving.telemetry.histogram import SIZE_BOUNDS, Buckets
from orchestrator.serving.telemetry.merging import Counts
from orchestrator.serving.telemetry.summary import mean_difference

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# a quarter of what is counted: each is a time series on the Prometheus server
SHOWN_SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
VERSION = ("model", "version")
Labels = tuple[str, ...]


def render(merged: Counts, served: Mapping[str, ServedModel], replicas: int, closed: int = 0) -> bytes:
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
    def __init__(self, merged: Counts, served: Mapping[str, ServedModel], replicas: int, closed: int) -> None:
        self._merged, self._served, self._replicas, self._closed = merged, served, replicas, closed

    def describe(self) -> list[Metric]:
        # the registry would otherwise collect once more to learn the names
        return []

    def collect(self) -> Iterator[Metric]:
        yield from _requests(self._merged)
        yield from _batches(self._merged)
        yield from _shadows(self._merged)
        yield from self._inputs()
        queues = {(model,): length for model, length in self._merged.queues.items()}
        yield _gauge("queue_length", "Most requests that waited in the last second", ("model",), queues)
        yield from self._models()

    def _inputs(self) -> Iterator[Metric]:
        inputs = {
            (model, version): observed
            for (model, version), observed in self._merged.inputs.items()
            if model not in self._served or version in self._served[model].versions
        }
        drift = {
            (*version, column): value
            for version in inputs
            for column, value in stability(self._merged, version).items()
        }
        documentation = "Population stability index of recent inputs against the training rows"
        yield _gauge("input_drift_psi", documentation, (*VERSION, "column"), drift)
        rows = {version: observed.rows for version, observed in inputs.items()}
        yield _gauge("input_rows_observed", "Recent rows that the drift is computed of", VERSION, rows)

    def _models(self) -> Iterator[Metric]:
        info = {
            (name, version, found.role, found.execution): 1
            for name, model in self._served.items()
            for version, found in model.versions.items()
        }
        yield _gauge("model_info", "Versions that are served", (*VERSION, "role", "execution"), info)
        documentation = "1 for a version that the registry names and that is not served; the status says why"
        unserved = {
            (name, role, version): 1 for name, model in self._served.items() for role, version in model.unserved.items()
        }
        yield _gauge("version_not_served", documentation, ("model", "role", "version"), unserved)
        weights = {(name,): model.weight for name, model in self._served.items()}
        yield _gauge("canary_weight", "Percent of requests that the canary answers", ("model",), weights)
        yield GaugeMetricFamily("orchestrator_replicas", "Replicas that answer", value=self._replicas)
        documentation = "Replicas that let nobody in, because their token file cannot be used"
        yield GaugeMetricFamily("orchestrator_replicas_closed", documentation, value=self._closed)


def _requests(merged: Counts) -> Iterator[Metric]:
    labels = (*VERSION, "role")
    yield _counter("requests", "Requests by answer", (*labels, "route", "status"), merged.requests)
    yield _counter("rows", "Rows answered", labels, merged.rows)
    yield _counter("refused", "Requests that were not computed", (*VERSION, "reason"), merged.refused)
    documentation = "From a request's arrival to its answer"
    yield _histogram("request_duration_seconds", documentation, labels, merged.seconds, SHOWN_SECONDS)


def _batches(merged: Counts) -> Iterator[Metric]:
    requests = {version: batches.requests for version, batches in merged.batches.items()}
    rows = {version: batches.rows for version, batches in merged.batches.items()}
    seconds = {version: batches.seconds for version, batches in merged.batches.items()}
    yield _histogram("batch_requests", "Requests in a batch", VERSION, requests, SIZE_BOUNDS)
    yield _histogram("batch_rows", "Rows in a batch", VERSION, rows, SIZE_BOUNDS)
    yield _histogram("batch_seconds", "Computing a batch", VERSION, seconds, SHOWN_SECONDS)


def _shadows(merged: Counts) -> Iterator[Metric]:
    documentations = {
        "requests": "Copies of requests that a shadow has answered",
        "rows": "Rows compared with the answers that were given",
        "differences": "Of them, with another label, or a value further away than the tolerance",
        "failures": "Copies of requests that a shadow did not answer",
    }
    for name, documentation in documentations.items():
        found = {version: getattr(shadow, name) for version, shadow in merged.shadows.items()}
        yield _counter(f"shadow_{name}", documentation, VERSION, found)
    seconds = {version: shadow.seconds for version, shadow in merged.shadows.items()}
    yield _histogram("shadow_duration_seconds", "A shadow's answers", VERSION, seconds, SHOWN_SECONDS)
    documentation = "Largest difference of a probability, or of a value in the target's unit"
    yield _gauge("shadow_largest_difference", documentation, VERSION, merged.largest)
    means = {version: mean_difference(merged, version) for version in merged.shadows}
    yield _gauge("shadow_mean_difference", documentation.replace("Largest", "Mean"), VERSION, means)


def _counter(name: str, documentation: str, labels: Labels, found: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"orchestrator_{name}", documentation, labels=labels)
    for key, count in found.items():
        family.add_metric(key, count)
    return family


def _gauge(name: str, documentation: str, labels: Labels, found: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"orchestrator_{name}", documentation, labels=labels)
    for key, value in found.items():
        family.add_metric(key, value)
    return family


def _histogram(
    name: str, documentation: str, labels: Labels, found: Mapping[Any, Buckets], shown: tuple[float, ...]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"orchestrator_{name}", documentation, labels=labels)
    for key, buckets in found.items():
        family.add_metric(key, buckets.cumulative(shown), buckets.sum)
    return family
