"""The dashboard and the rules of alerts: committed is what is made, and each rule fires only when it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from orchestrator.manifests.alerts import ENDPOINTS, SWEEPS
from orchestrator.manifests.dashboard import ENDPOINTS as ENDPOINT_PANELS
from orchestrator.manifests.dashboard import SWEEPS as SWEEP_PANELS
from orchestrator.manifests.monitoring import monitoring_files
from orchestrator.runtime.sweep_metrics import GAUGES

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (of Prometheus) is not installed"
)


def sweep(name, values, **labels):
    """A series of the sweep `a`, with what Ray adds to it."""
    text = ",".join(
        f'{key}="{value}"' for key, value in ({"sweep": "a-1", "name": "a", "WorkerId": "7"} | labels).items()
    )
    return {f"ray_orchestrator_sweep_{name}{{{text}}}": values}


def endpoint(name, values, **labels):
    text = ",".join(f'{key}="{value}"' for key, value in ({"instance": "e:8000"} | labels).items())
    return {f"orchestrator_{name}{{{text}}}": values}


def model(name, values, **labels):
    return endpoint(name, values, model="adult", version="3", **labels)


OPEN, NAMED = sweep("open", "1x90"), {"name": "a", "sweep": "a-1"}
SERVED = {"model": "adult"}
ASKED = model("requests_total", "0+600x90", status="200", role="champion", route="/predict")
FASTER = model("request_duration_seconds_bucket", "0+590x90", le="0.5")
ALL = model("request_duration_seconds_bucket", "0+600x90", le="+Inf")
SLOWER = model("request_duration_seconds_bucket", "0+594x90", le="5")
# name: (series when it fires, labels, sentence; series of the same kind when all is well). A sample a minute, of 90
CASES = {
    "SweepStandsStill": (
        OPEN | sweep("epochs", "0+1x10 10x79"),
        NAMED,
        "Sweep a-1 has finished no epoch for 40 minutes.",
        # one that is over does nothing either
        [OPEN | sweep("epochs", "0+0.2x90"), sweep("open", "0x90") | sweep("epochs", "10x90")],
    ),
    "SweepTrialsFail": (
        OPEN | sweep("trials", "6x90", state="failed") | sweep("trials", "20x90", state="finished"),
        NAMED,
        "6 trials of sweep a-1 have failed, more than a fifth of those over.",
        [
            OPEN | sweep("trials", "4x90", state="failed") | sweep("trials", "1x90", state="finished"),
            OPEN | sweep("trials", "6x90", state="failed") | sweep("trials", "40x90", state="stopped"),
        ],
    ),
    "SweepSlotsIdle": (
        OPEN
        | sweep("trials", "1x90", state="running")
        | sweep("trials", "5x90", state="finished")
        | sweep("slots", "4x90")
        | sweep("trials_wanted", "40x90"),
        NAMED,
        "Less than half of the slots of sweep a-1 are in use, and there are trials to come.",
        [
            OPEN
            | sweep("trials", "1x90", state="running")
            # the last one
            | sweep("trials", "39x90", state="finished")
            | sweep("slots", "4x90")
            | sweep("trials_wanted", "40x90"),
            OPEN | sweep("trials", "3x90", state="running") | sweep("slots", "4x90") | sweep("trials_wanted", "40x90"),
        ],
    ),
    "SweepMlflowBehind": (
        OPEN | sweep("mlflow_lag_seconds", "600x90"),
        NAMED,
        "MLflow is 10m 0s behind sweep a-1.",
        [OPEN | sweep("mlflow_lag_seconds", "2x90"), sweep("open", "0x90") | sweep("mlflow_lag_seconds", "600x90")],
    ),
    "EndpointGone": (
        endpoint("replicas", "2x60"),
        {"instance": "e:8000"},
        "The endpoint at e:8000 has no replica that answers, or does not answer at all.",
        [endpoint("replicas", "2x90"), endpoint("replicas", "1x5")],
    ),
    "EndpointErrors": (
        ASKED | model("requests_total", "0+60x90", status="500", role="champion", route="/predict"),
        SERVED,
        "More than one of 100 requests to model adult is answered with an error of the endpoint.",
        [
            ASKED,
            ASKED | model("requests_total", "0+600x90", status="503"),
            ASKED | model("requests_total", "0+600x90", status="422"),
        ],
    ),
    "EndpointSlow": (
        FASTER | SLOWER | ALL,
        SERVED,
        "One of 100 answers of model adult takes more than 5s.",
        [
            model("request_duration_seconds_bucket", "0+599x90", le="0.5") | ALL,
            FASTER,
            # of `/metrics`
            endpoint("request_duration_seconds_bucket", "0+5x90", le="5", model="")
            | endpoint("request_duration_seconds_bucket", "0+6x90", le="+Inf", model=""),
        ],
    ),
    "EndpointOverloaded": (
        ASKED | model("refused_total", "0+60x90", reason="overload"),
        SERVED,
        "More than one of 20 requests to model adult is refused, because too many come at once.",
        [
            ASKED | model("refused_total", "0+60x90", reason="invalid"),
            ASKED | model("refused_total", "3x90", reason="overload"),
        ],
    ),
    "EndpointReplicasClosed": (
        endpoint("replicas_closed", "2x90"),
        {"instance": "e:8000"},
        "2 replicas at e:8000 let nobody in: their token file cannot be used.",
        [endpoint("replicas_closed", "0x90")],
    ),
    "EndpointVersionNotServed": (
        model("version_not_served", "1x90", role="canary"),
        {"model": "adult", "version": "3", "role": "canary"},
        "The canary of adult, version 3, cannot be served.",
        [model("model_info", "1x90", role="canary")],
    ),
    "EndpointInputsDrift": (
        model("input_drift_psi", "0.4x90", column="age") | model("input_rows_observed", "5000x90"),
        {"model": "adult", "version": "3", "column": "age"},
        "Column age comes with other values than adult was trained on.",
        [
            model("input_drift_psi", "0.4x90", column="age") | model("input_rows_observed", "20x90"),
            model("input_drift_psi", "0.05x90", column="age") | model("input_rows_observed", "5000x90"),
        ],
    ),
    "EndpointShadowFails": (
        model("shadow_failures_total", "0+60x90") | model("shadow_requests_total", "0+600x90"),
        {"model": "adult", "version": "3"},
        "The shadow 3 of adult does not answer one of 20 copies of requests.",
        [model("shadow_failures_total", "1x90") | model("shadow_requests_total", "0+600x90"), {}],
    ),
}
ALERTS = {alert.name: alert for alert in (*SWEEPS, *ENDPOINTS)}


@pytest.mark.parametrize("name", monitoring_files(), ids=str)
def test_what_is_committed_is_what_is_made(name):
    made = monitoring_files()[name]
    assert (ROOT / "deploy" / name).read_text() == made, "write it anew: python -m orchestrator.manifests"


def test_each_metric_of_sweeps_is_on_the_dashboard_and_each_query_is_of_ours():
    queries = " ".join(query for panel in (*SWEEP_PANELS, *ENDPOINT_PANELS) for query, _ in panel.queries)
    shown = set(re.findall(r"ray_(orchestrator_sweep_\w+)", queries))
    # how many are wanted is seen at what is waiting
    assert shown == set(GAUGES) - {
        "orchestrator_sweep_open",
        "orchestrator_sweep_trials_wanted",
        "orchestrator_sweep_seconds",
    }


def test_the_dashboard_has_its_panels_beside_each_other():
    content = json.loads((ROOT / "deploy/grafana/orchestrator.json").read_text())
    places = [panel["gridPos"] for panel in content["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in content["panels"]}) == len(places)


def test_each_alert_has_a_runbook():
    page = (ROOT / "docs" / "runbooks.md").read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert [f"docs/runbooks.md#{heading.lower().replace(' ', '-')}" for heading in headings] == [
        alert.runbook for alert in ALERTS.values()
    ]


def written(folder, name, series, expected):
    """A file for `promtool test rules`, with one case."""
    alert = ALERTS[name]
    alerts = [
        {
            "exp_labels": labels | {"severity": alert.severity},
            "exp_annotations": {"summary": sentence, "runbook_url": alert.runbook},
        }
        for labels, sentence in expected
    ]
    case = {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"alertname": name, "eval_time": "80m", "exp_alerts": alerts}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}))
    return path


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case():
    assert CASES.keys() == ALERTS.keys()


@needs_promtool
def test_prometheus_reads_the_rules():
    promtool("check", "rules", RULES)


@needs_promtool
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_something_is_wrong_and_only_then(name, tmp_path):
    series, labels, sentence, good = CASES[name]
    promtool("test", "rules", written(tmp_path, name, series, [(labels, sentence)]))
    for well in good:
        promtool("test", "rules", written(tmp_path, name, well, []))
