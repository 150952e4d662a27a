"""A dashboard of Grafana for sweeps and endpoints, as the JSON that Grafana reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# of Grafana's 24 columns and rows
WIDTH, HEIGHT, IN_A_ROW = 8, 8, 3
SWEEP = "ray_orchestrator_sweep"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SINCE = "[$__rate_interval]"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart of the dashboard.

    Attributes:
        title: above it.
        about: what it says, and what is good.
        queries: PromQL with the legend of its series.
        unit: of its values, as Grafana calls it.
        stacked: whether series stand on each other.
        most: where the axis ends, None where the values do.
        thresholds: above which values are drawn yellow, and red.
    """

    title: str
    about: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    stacked: bool = False
    most: float | None = None
    thresholds: tuple[float, ...] = ()


def _of_sweeps(name: str, by: str = "name, sweep") -> str:
    return f'max by ({by}) ({SWEEP}_{name}{{name=~"$sweep"}})'


def _rate(name: str, by: str, more: str = "") -> str:
    return f'sum by ({by}) (rate(orchestrator_{name}{{model=~"$model"{more}}}{SINCE}))'


def _quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', 'le, model')})"


def _share(part: str, whole: str) -> str:
    """Of what does not happen the share is 0, as long as there is a whole."""
    return f"(({part}) or 0 * ({whole})) / ({whole})"


def _of_shadows(part: str, whole: str) -> str:
    """There may be none."""
    of_version = "model, version"
    return f"({_rate(f'shadow_{part}_total', of_version)} / {_rate(f'shadow_{whole}_total', of_version)}) or vector(0)"


RUNNING = f'sum by (name, sweep) ({SWEEP}_trials{{name=~"$sweep", state="running"}})'
REQUESTS = _rate("requests_total", "model")
SWEEPS = (
    Panel(
        title="Trials by state",
        about="How many trials there are in each state.",
        queries=((f'sum by (state) ({SWEEP}_trials{{name=~"$sweep"}})', "{{state}}"),),
        stacked=True,
    ),
    Panel(
        title="Best value",
        about="The best validation value of all trials so far.",
        queries=((_of_sweeps("best_value", "name, sweep, metric"), "{{sweep}} {{metric}}"),),
        unit="none",
    ),
    Panel(
        title="Epochs a second",
        about="Of all trials together.",
        queries=((f'sum by (name, sweep) (rate({SWEEP}_epochs{{name=~"$sweep"}}{SINCE}))', "{{sweep}}"),),
    ),
    Panel(
        title="Slots in use",
        about="Share of the slots that have a trial now, and on average of the whole search. Near 1 is good.",
        queries=((f"{RUNNING} / {_of_sweeps('slots')}", "{{sweep}} now"), (_of_sweeps("slot_busy_share"), "{{sweep}}")),
        unit="percentunit",
        most=1.0,
    ),
    Panel(
        title="Overhead of a trial",
        about="Seconds that a trial held its slot without training: its start, its checkpoints.",
        queries=((_of_sweeps("overhead_seconds"), "{{sweep}}"),),
        unit="s",
    ),
    Panel(
        title="Time left",
        about="Until the search is over, about.",
        queries=((_of_sweeps("seconds_left"), "{{sweep}}"),),
        unit="s",
    ),
    Panel(
        title="Cores and GPUs",
        about="What the running trials have asked for.",
        queries=((_of_sweeps("cpus"), "{{sweep}} cores"), (_of_sweeps("gpus"), "{{sweep}} GPUs")),
    ),
    Panel(
        title="MLflow is behind",
        about="Age of the oldest epoch that MLflow has not got yet. A few seconds are usual.",
        queries=((_of_sweeps("mlflow_lag_seconds"), "{{sweep}}"),),
        unit="s",
    ),
    Panel(
        title="Waiting for MLflow, and checkpoints",
        about="Events and epochs that MLflow has not got; bytes of the files of trials that are not over.",
        queries=(
            (_of_sweeps("mlflow_waiting"), "{{sweep}} waiting"),
            (_of_sweeps("checkpoint_bytes"), "{{sweep}} bytes"),
        ),
    ),
)
ENDPOINTS = (
    Panel(
        title="Requests a second",
        about="By answer.",
        queries=((_rate("requests_total", "model, status"), "{{model}} {{status}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Time of an answer",
        about="From a request's arrival to its answer: one half, 95 and 99 of 100 are faster.",
        queries=tuple(
            (_quantile(share, "request_duration_seconds"), f"{{{{model}}}} p{share * 100:g}")
            for share in (0.5, 0.95, 0.99)
        ),
        unit="s",
    ),
    Panel(
        title="Errors",
        about="Share of requests that were answered with 5xx, and of those that were refused.",
        queries=(
            (_share(_rate("requests_total", "model", ', status=~"5.."'), REQUESTS), "{{model}} 5xx"),
            (_share(_rate("refused_total", "model"), REQUESTS), "{{model}} refused"),
        ),
        unit="percentunit",
    ),
    Panel(
        title="Rows a second",
        about="By the role of the version that has answered.",
        queries=((_rate("rows_total", "model, version, role"), "{{model}} {{version}} {{role}}"),),
    ),
    Panel(
        title="Rows of a batch",
        about="Requests that come at the same time are computed together.",
        queries=((f"{_rate('batch_rows_sum', 'model')} / {_rate('batch_rows_count', 'model')}", "{{model}}"),),
    ),
    Panel(
        title="Waiting requests",
        about="Most that waited in the last second.",
        queries=(('max by (model) (orchestrator_queue_length{model=~"$model"})', "{{model}}"),),
    ),
    Panel(
        title="Replicas",
        about="That answer, and that let nobody in because their token file cannot be used.",
        queries=(("sum(orchestrator_replicas)", "answer"), ("sum(orchestrator_replicas_closed)", "closed")),
    ),
    Panel(
        title="Versions",
        about="What is served in which role; a canary's share of the requests, in percent.",
        queries=(
            (
                'max by (model, version, role) (orchestrator_model_info{model=~"$model"})',
                "{{model}} {{version}} {{role}}",
            ),
            ('max by (model) (orchestrator_canary_weight{model=~"$model"})', "{{model}} canary, %"),
        ),
    ),
    Panel(
        title="Versions not served",
        about="That the registry names and the endpoint cannot serve; `orchestrator status` says why. 0 is good.",
        queries=(('sum(orchestrator_version_not_served{model=~"$model"}) or vector(0)', "not served"),),
    ),
    Panel(
        title="Drift of inputs",
        about="Population stability index against the training rows: below 0.1 alike, above 0.25 another population.",
        queries=(
            (
                'topk(10, max by (model, version, column) (orchestrator_input_drift_psi{model=~"$model"}))',
                "{{model}} {{version}} {{column}}",
            ),
        ),
        thresholds=(0.1, 0.25),
    ),
    Panel(
        title="Rows that drift is computed of",
        about="With few of them the index is mostly chance.",
        queries=(
            (
                'max by (model, version) (orchestrator_input_rows_observed{model=~"$model"})',
                "{{model}} {{version}}",
            ),
        ),
    ),
    Panel(
        title="Shadow",
        about="Share of rows that a shadow answers otherwise, and of copies that it did not answer; empty without one.",
        queries=(
            (_of_shadows("differences", "rows"), "{{model}} {{version}} otherwise"),
            (_of_shadows("failures", "requests"), "{{model}} {{version}} not answered"),
        ),
        unit="percentunit",
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard, with a choice of the data source, of sweeps by name, and of models."""
    panels: list[dict[str, Any]] = []
    row = 0
    for title, group in (("Sweeps", SWEEPS), ("Endpoints", ENDPOINTS)):
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "id": len(panels) + 1,
                "gridPos": {"x": 0, "y": row, "w": WIDTH * IN_A_ROW, "h": 1},
                "panels": [],
            }
        )
        row += 1
        for number, panel in enumerate(group):
            place = {"x": number % IN_A_ROW * WIDTH, "y": row + number // IN_A_ROW * HEIGHT, "w": WIDTH, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
        row += -(-len(group) // IN_A_ROW) * HEIGHT
    return {
        "uid": "orchestrator",
        "title": "orchestrator: sweeps and endpoints",
        "tags": ["orchestrator"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
                _choice("sweep", "Sweep", f"label_values({SWEEP}_open, name)"),
                _choice("model", "Model", "label_values(orchestrator_model_info, model)"),
            ]
        },
        "panels": panels,
    }


def _choice(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # pages and metrics are of no model
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom |= {"fillOpacity": 40, "stacking": {"mode": "normal"}}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [
        {"color": color, "value": value} for color, value in zip(("yellow", "red"), panel.thresholds, strict=False)
    ]
    if panel.thresholds:
        custom["thresholdsStyle"] = {"mode": "line"}
    return {
        "type": "timeseries",
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0 if panel.unit != "none" else None,
                "max": panel.most,
                "custom": custom,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query,
                "legendFormat": legend,
                "editorMode": "code",
                "range": True,
            }
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }
