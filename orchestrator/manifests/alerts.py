"""Rules by which Prometheus tells what needs somebody, each with what to do in `docs/runbooks.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

RUNBOOKS = "docs/runbooks.md"
SWEEP = "ray_orchestrator_sweep"
OF_SWEEP, OF_MODEL = "name, sweep", "model"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One rule.

    Attributes:
        name: of the alert; its runbook is headed by the same words.
        condition: PromQL that has a series for whatever is wrong, and none when all is well.
        lasts: for so long, before anybody is told.
        severity: `critical` wakes somebody, `warning` is read the same day.
        summary: a sentence with what is wrong.
    """

    name: str
    condition: str
    lasts: str
    severity: str
    summary: str

    @property
    def runbook(self) -> str:
        """Where it says what to do."""
        words = re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", self.name)
        return f"{RUNBOOKS}#{'-'.join(words).lower()}"

    def to_json(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.condition,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook_url": self.runbook},
        }


def _trials(states: str, by: str = OF_SWEEP) -> str:
    return f'sum by ({by}) ({SWEEP}_trials{{state=~"{states}"}})'


def _sweeps(name: str) -> str:
    return f"max by ({OF_SWEEP}) ({SWEEP}_{name})"


def _rate(name: str, more: str = "", by: str = OF_MODEL) -> str:
    return f"sum by ({by}) (rate(orchestrator_{name}{more}[5m]))"


# 503 is said of an endpoint that has too much to do
ERRORS, OVERLOAD = '{status=~"5..",status!="503"}', '{reason="overload"}'
NAMED = '{model!=""}'
OPEN = f"{_sweeps('open')} == 1"
# pages and metrics are of no model
SLOW = f"histogram_quantile(0.99, {_rate('request_duration_seconds_bucket', NAMED, 'le, model')})"
SWEEPS = (
    Alert(
        name="SweepStandsStill",
        condition=f"max by ({OF_SWEEP}) (changes({SWEEP}_epochs[10m])) == 0 and {OPEN}",
        lasts="30m",
        severity="warning",
        summary="Sweep {{ $labels.sweep }} has finished no epoch for 40 minutes.",
    ),
    Alert(
        name="SweepTrialsFail",
        condition=(
            f"{_trials('failed')} >= 5 and {_trials('failed')} > 0.2 * {_trials('finished|stopped|failed')} and {OPEN}"
        ),
        lasts="1m",
        severity="warning",
        summary="{{ $value }} trials of sweep {{ $labels.sweep }} have failed, more than a fifth of those over.",
    ),
    Alert(
        name="SweepSlotsIdle",
        condition=(
            f"{_trials('running')} < 0.5 * {_sweeps('slots')} and "
            f"{_trials('.*')} < {_sweeps('trials_wanted')} and {OPEN}"
        ),
        lasts="15m",
        severity="warning",
        summary="Less than half of the slots of sweep {{ $labels.sweep }} are in use, and there are trials to come.",
    ),
    Alert(
        name="SweepMlflowBehind",
        condition=f"{_sweeps('mlflow_lag_seconds')} > 120 and {OPEN}",
        lasts="5m",
        severity="warning",
        summary="MLflow is {{ $value | humanizeDuration }} behind sweep {{ $labels.sweep }}.",
    ),
)
ENDPOINTS = (
    Alert(
        name="EndpointGone",
        condition=(
            "count by (instance) (last_over_time(orchestrator_replicas[1h])) "
            "unless on (instance) orchestrator_replicas > 0"
        ),
        lasts="2m",
        severity="critical",
        summary="The endpoint at {{ $labels.instance }} has no replica that answers, or does not answer at all.",
    ),
    Alert(
        name="EndpointErrors",
        condition=f"{_rate('requests_total', ERRORS)} > 0.01 * {_rate('requests_total')}",
        lasts="5m",
        severity="critical",
        summary="More than one of 100 requests to model {{ $labels.model }} is answered with an error of the endpoint.",
    ),
    Alert(
        name="EndpointSlow",
        condition=f"{SLOW} > 1",
        lasts="10m",
        severity="warning",
        summary="One of 100 answers of model {{ $labels.model }} takes more than {{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="EndpointOverloaded",
        condition=f"{_rate('refused_total', OVERLOAD)} > 0.05 * {_rate('requests_total')}",
        lasts="5m",
        severity="warning",
        summary="More than one of 20 requests to model {{ $labels.model }} is refused, because too many come at once.",
    ),
    Alert(
        name="EndpointReplicasClosed",
        condition="max by (instance) (orchestrator_replicas_closed) > 0",
        lasts="2m",
        severity="critical",
        summary="{{ $value }} replicas at {{ $labels.instance }} let nobody in: their token file cannot be used.",
    ),
    Alert(
        name="EndpointVersionNotServed",
        condition="max by (model, role, version) (orchestrator_version_not_served) == 1",
        lasts="10m",
        severity="warning",
        summary="The {{ $labels.role }} of {{ $labels.model }}, version {{ $labels.version }}, cannot be served.",
    ),
    Alert(
        name="EndpointInputsDrift",
        condition=(
            "max by (model, version, column) (orchestrator_input_drift_psi) > 0.25 and on (model, version) "
            "max by (model, version) (orchestrator_input_rows_observed) >= 1000"
        ),
        lasts="30m",
        severity="warning",
        summary="Column {{ $labels.column }} comes with other values than {{ $labels.model }} was trained on.",
    ),
    Alert(
        name="EndpointShadowFails",
        condition=(
            f"{_rate('shadow_failures_total', by='model, version')} > 0.05 * "
            f"{_rate('shadow_requests_total', by='model, version')}"
        ),
        lasts="10m",
        severity="warning",
        summary="The shadow {{ $labels.version }} of {{ $labels.model }} does not answer one of 20 copies of requests.",
    ),
)


def rules() -> dict[str, Any]:
    """The rules in two groups."""
    groups = {"orchestrator-sweeps": SWEEPS, "orchestrator-endpoints": ENDPOINTS}
    return {
        "groups": [{"name": name, "rules": [alert.to_json() for alert in alerts]} for name, alerts in groups.items()]
    }
