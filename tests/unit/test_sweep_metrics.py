"""The gauges of a running sweep have the values that its journal says."""

import time

from orchestrator.journal import Begun, Closed, Drawn, Ended, Opened, Outlook, Paused, Reported
from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.statuses import SweepStatus
from orchestrator.runtime.hooks import Hooks, observed
from orchestrator.runtime.sweep_metrics import GAUGES, LABELS, SweepMetrics, readings
from orchestrator.runtime.sweep_model import About, SweepModel
from orchestrator.storage import Storage
from orchestrator.tasks import metric_named
from orchestrator.tracking.written import Backlog
from orchestrator.training import EpochReport, TrialSpec

ABOUT = About(id="adult-1", name="adult", metric=metric_named("roc_auc"), workers={"mlp": 2}, cpus=3, gpus=0.5)
SPEC = TrialSpec(architecture="mlp", settings={"depth": 2})
OUTLOOK = Outlook(slots=2, epochs=6, trial_epochs=4.0, epoch_seconds=10.0)


def start(at, index):
    return [Drawn(at, index, SPEC, {}), Begun(at, index, 1)]


def epoch(at, index, number, value, seconds, stored=7):
    report = EpochReport(
        epoch=number,
        train_loss=0.5,
        validation={"roc_auc": value},
        learning_rate=0.01,
        seconds=10.0,
        examples_per_second=1234.0,
        best_epoch=number,
        best_value=value,
        last=False,
    )
    return Reported(at=at, index=index, report=report, train_seconds=seconds, kept=number, stored=stored)


# trial 0 is stopped after 20 seconds of which it trained 8, trial 1 is paused, trial 2 runs
EVENTS = [
    Opened(100.0, 8, OUTLOOK),
    *start(110.0, 0),
    *start(110.0, 1),
    epoch(120.0, 0, 1, 0.7, 8.0),
    epoch(120.0, 1, 1, 0.8, 9.0),
    Paused(120.0, 1),
    Ended(130.0, 0, "stopped", ""),
    *start(130.0, 2),
]


def by_name(found):
    return {(reading.name.removeprefix("orchestrator_sweep_"), reading.label): reading.value for reading in found}


def test_all_gauges_have_what_the_journal_says():
    found = by_name(readings(SweepModel(ABOUT, EVENTS), Backlog(3, 1.5), 140.0))
    states = {label: value for (name, label), value in found.items() if name == "trials"}
    assert {state: count for state, count in states.items() if count} == {"stopped": 1, "paused": 1, "running": 1}
    # what is none is said, too
    assert states["failed"] == 0
    left = found.pop(("seconds_left", None))
    assert left > 0
    assert {key: value for key, value in found.items() if key[0] != "trials"} == {
        ("open", None): 1,
        ("trials_wanted", None): 8,
        ("epochs", None): 2,
        ("best_value", "roc_auc"): 0.8,
        ("seconds", None): 30.0,
        ("slots", None): 2,
        # two trials for 10 seconds, then one
        ("slot_busy_share", None): (20 + 10 + 10) / 60,
        ("cpus", None): 6,
        ("gpus", None): 1.0,
        ("overhead_seconds", None): 20.0 - 8.0,
        ("checkpoint_bytes", None): 7,
        ("mlflow_waiting", None): 3,
        ("mlflow_lag_seconds", None): 1.5,
    }


def test_what_is_not_known_has_no_value():
    names = {name for name, _ in by_name(readings(SweepModel(ABOUT, [Opened(100.0, None)]), None, 101.0))}
    unknown = {"trials_wanted", "slots", "slot_busy_share", "overhead_seconds", "best_value", "seconds_left"}
    assert names == {name.removeprefix("orchestrator_sweep_") for name in GAUGES} - unknown - {
        "mlflow_waiting",
        "mlflow_lag_seconds",
    }


class Kept:
    """A gauge that keeps what it is set to."""

    def __init__(self, name):
        self.names, self.values = {*LABELS, *filter(None, [GAUGES[name][1]])}, {}

    def set(self, value, tags):
        # Ray wants each label, and no other
        assert set(tags) == self.names
        self.values[tuple(sorted(tags.items()))] = value


def test_the_last_values_are_those_of_the_end_and_trouble_is_no_trouble_of_the_sweep():
    gauges = {name: Kept(name) for name in GAUGES}
    metrics = SweepMetrics(gauges, lambda _now: Backlog(0, 0.0))
    header = Header(
        id="adult-1",
        name="adult",
        config={},
        space={},
        digest="",
        metric="roc_auc",
        run_id=None,
        tracking_uri="",
        threads=1,
        folder="",
        labels={},
        started=time.time(),
        maximize=True,
    )
    metrics.on_open(KnownSweep(header, Storage("/nowhere")), EVENTS[:3])
    said, first = [], []
    tell = observed(first.append, Hooks(metrics=metrics, notify=said.append))
    for event in [*EVENTS[3:], Ended(150.0, 2, "failed", "no memory"), Closed(160.0, SweepStatus.FAILED, "")]:
        tell(event)
    gauges["orchestrator_sweep_slots"] = None
    metrics.close()
    named = (("name", "adult"), ("sweep", "adult-1"))
    assert gauges["orchestrator_sweep_open"].values == {named: 0.0}
    assert gauges["orchestrator_sweep_trials"].values[(*named[:1], ("state", "failed"), *named[1:])] == 1
    assert gauges["orchestrator_sweep_epochs"].values == {named: 2}
    assert said == []
    assert len(first) == len(EVENTS) - 1
