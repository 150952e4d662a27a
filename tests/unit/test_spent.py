"""What trials have held of the machines follows from the times in the journal, over all sessions."""

from types import SimpleNamespace

import pytest

from orchestrator.config import SweepConfig
from orchestrator.errors import ConfigError
from orchestrator.journal import Begun, Closed, Drawn, Ended, Opened, Paused
from orchestrator.runtime.probe.estimate import _expected
from orchestrator.sweeps.spent import Spent, spent_by
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.tasks import metric_named
from orchestrator.training import TrialSpec

MLP, RESNET = (TrialSpec(architecture=name, settings={}) for name in ("mlp", "resnet"))
# 100 seconds of an mlp of one worker before it pauses, then 60; 30 of a resnet of two, and 10 in another session
EVENTS = [
    Opened(0.0, 3),
    Drawn(0.0, 0, MLP, {}),
    Begun(100.0, 0, 1),
    Drawn(100.0, 1, RESNET, {}),
    Begun(100.0, 1, 1),
    Ended(130.0, 1, "interrupted", ""),
    Paused(200.0, 0),
    Closed(300.0, "interrupted", ""),
    Opened(5000.0, 3),
    Begun(5000.0, 0, 2),
    Begun(5000.0, 1, 2),
    Ended(5010.0, 1, "finished", ""),
    Ended(5060.0, 0, "finished", ""),
    # nobody takes it up
    Drawn(5060.0, 2, MLP, {}),
]


def spent(events=EVENTS, readers=0, **options):
    table = TrialTable(metric_named("roc_auc"))
    for event in events:
        table.apply(event)
    config = SweepConfig.create(data="x.csv", **options)
    return spent_by(SimpleNamespace(config=config, workers={"mlp": 1, "resnet": 2}, readers=readers), table)


def test_hours_are_those_in_which_a_worker_had_the_trial():
    found = spent(resources={"cpus_per_worker": 3, "gpus_per_worker": 0.5})
    assert found.cpu_hours == pytest.approx((160 * 1 * 3 + 40 * 2 * 3) / 3600)
    assert found.gpu_hours == pytest.approx((160 * 0.5 + 40 * 2 * 0.5) / 3600)
    assert found.cost is None
    # readers are cores, too: one for each trial
    assert spent(readers=1).cpu_hours == pytest.approx((160 * 2 + 40 * 3) / 3600)
    # just after it was taken up again, what was before counts
    assert spent(EVENTS[:11]).cpu_hours == pytest.approx((100 + 30 * 2) / 3600)
    assert spent([]).to_json() == {"cpu_hours": 0.0, "gpu_hours": 0.0}


def test_prices_make_a_cost():
    resources = {"cpus_per_worker": 3, "gpus_per_worker": 0.5}
    found = spent(resources=resources, cost_per_gpu_hour=36.0)
    assert found.cost == pytest.approx(36.0 * found.gpu_hours)
    both = spent(resources=resources, cost_per_gpu_hour=36.0, cost_per_cpu_hour=0.36)
    assert both.cost == pytest.approx(found.cost + 0.36 * found.cpu_hours)
    assert spent(cost_per_cpu_hour=0).cost == 0.0
    with pytest.raises(ConfigError, match=r"^cost_per_gpu_hour: "):
        spent(cost_per_gpu_hour=-1)


def test_a_plan_expects_what_its_slots_hold():
    config = SweepConfig.create(data="x.csv", cost_per_cpu_hour=2)
    plan = SimpleNamespace(config=config, workers={"mlp": 1, "resnet": 3}, readers=1)
    # an hour of two slots: half of it with 2 cores, half with 4
    assert _expected(plan, 7200.0) == Spent(cpu_hours=6.0, gpu_hours=0.0, cost=12.0)


def test_it_is_said_in_a_sentence_and_read_back():
    found = Spent(cpu_hours=1234.5678, gpu_hours=2.5, cost=1234.567)
    assert str(found) == "1,235 CPU-hours and 2.5 GPU-hours, which cost 1,234.57"
    # in the largest unit of which there is one, and with no more digits than one can know
    assert str(Spent(cpu_hours=0.2162, gpu_hours=0.0)) == "13 CPU-minutes"
    assert str(Spent(cpu_hours=2.5834 / 3600, gpu_hours=0.0)) == "2.58 CPU-seconds"
    assert (
        str(Spent(cpu_hours=0.05, gpu_hours=0.001, cost=0.0003))
        == "3 CPU-minutes and 3.6 GPU-seconds, which cost 0.0003"
    )
    assert str(Spent(cpu_hours=0.0, gpu_hours=0.0, cost=0.0)) == "0 CPU-seconds, which cost 0.00"
    assert Spent.from_json(found.to_json()) == found
    assert Spent.from_json({}) is None
