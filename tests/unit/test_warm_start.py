"""Start points from earlier sweeps: the best of their trials, as far as the new space has their settings."""

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_sweeps import a_header, events_of, write_journal

from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.errors import ConfigError, UsageError
from orchestrator.journal import Opened
from orchestrator.journal.folder import sweeps_home, write_header
from orchestrator.runtime.assembly import Origin, first_header
from orchestrator.runtime.planning import earlier_sweeps, plan_sweep
from orchestrator.search import Proposals, SearchSpace
from orchestrator.search.warm_start import MOST_POINTS, EarlierSweep, warm_started
from orchestrator.training import TrialSpec

SPACE = SearchSpace.model_validate(
    {
        "parameters": {
            "optimizer": "adamw",
            "learning_rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
            "dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
        },
        "architectures": {
            "mlp": {"width": {"type": "int", "low": 8, "high": 64}},
            "resnet": {"width": {"type": "categorical", "choices": [8, 16]}},
        },
        "start_points": [{"architecture": "mlp", "width": 9}],
    }
)


def spec(architecture="mlp", rate=0.01, width=16, optimizer="adamw", **rest):
    own = {"width": width, **rest}
    return TrialSpec(architecture=architecture, settings=own, optimizer=optimizer, learning_rate=rate)


def test_the_best_that_fit_come_first_each_once_and_before_the_spaces_own():
    trials = [
        spec(rate=0.5),
        spec(dropout=0.3),
        spec(dropout=0.25),
        spec(architecture="tabm"),
        spec(optimizer="sgd"),
        spec("resnet"),
        spec("resnet"),
        spec("resnet", width=32),
    ]
    started = warm_started(SPACE, [EarlierSweep("a-1", tuple(enumerate(trials)))])
    assert started.space.start_points == [
        {"architecture": "mlp", "learning_rate": 0.01, "dropout": 0.3, "width": 16},
        {"architecture": "resnet", "learning_rate": 0.01, "width": 16},
        {"architecture": "mlp", "width": 9},
    ]
    (sentence,) = started.sentences
    assert sentence.startswith("starts with trials 1, 5 of a-1; 5 others do not fit the space")
    assert "trial 0: learning_rate 0.5 is not in the space" in sentence


def test_several_sweeps_take_turns_and_give_five_each_at_most():
    rates = [0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008]
    one = EarlierSweep("a-1", tuple((index, spec(rate=rate)) for index, rate in enumerate(rates)))
    other = EarlierSweep("b-1", ((3, spec(rate=0.09)), (4, spec(rate=0.002))))
    points = warm_started(SPACE, [one, other]).space.start_points
    assert [point["learning_rate"] for point in points[:-1]] == [0.002, 0.09, 0.003, 0.004, 0.005, 0.006]
    assert len(points) == MOST_POINTS + 2


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ((), "it has none with a value"),
        (((4, spec(optimizer="sgd")),), "trial 4: optimizer is sgd, and the space has adamw"),
        (((4, spec("tabm")),), "trial 4: the space has no tabm"),
    ],
)
def test_a_sweep_of_which_nothing_fits_is_refused(trials, reason):
    with pytest.raises(UsageError, match=f"--warm-start a-1: no trial of it fits this search space .{reason}"):
        warm_started(SPACE, [EarlierSweep("a-1", trials)])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["mlp", "resnet", "tabm"]), st.floats(0.0005, 0.2), st.sampled_from([4, 8, 16, 32, 128])
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_started_with_is_always_in_the_space(drawn):
    trials = tuple((index, spec(name, rate, width)) for index, (name, rate, width) in enumerate(drawn))
    try:
        points = warm_started(SPACE, [EarlierSweep("a-1", trials)]).space.start_points
    except UsageError:
        return
    for point in points[:-1]:
        entries = SPACE.entries(point["architecture"])
        assert all(entries[name][1].contains(value) for name, value in point.items() if name != "architecture")


def test_a_sweep_starts_with_them_writes_them_down_and_goes_on_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_header(sweeps_home().child("flowers-1"), a_header(id="flowers-1", name="flowers", maximize=False))
    good, bad = (TrialSpec(architecture="mlp", settings={"width": width, "depth": 1}) for width in (64, 32))
    write_journal(
        "flowers-1",
        Opened(0.0, 2),
        *events_of(0, 0.5, end="finished", spec=bad),
        *events_of(1, 0.2, end="finished", spec=good),
        *events_of(2, end="failed"),
    )
    (tmp_path / "space.yaml").write_text("architectures:\n  mlp: {width: {type: int, low: 8, high: 64}, depth: 1}\n")
    asked = SweepConfig.create(data="sklearn:iris", space="space.yaml", trials=4, warm_start="flowers")
    config, earlier = earlier_sweeps(asked)
    assert config.warm_start == ("flowers-1",)
    plan = plan_sweep(config, earlier=earlier)
    proposals = Proposals(plan.searcher, plan.sampler, plan.metric, plan.points)
    drawn = [proposals.draw() for _ in range(3)]
    assert [proposal.spec.settings["width"] for proposal in drawn[:2]] == [64, 32]
    origin = Origin(id="x-1", storage=sweeps_home().child("x-1"), config=config, table=None)
    header = first_header(plan, origin, "")
    assert header.config["warm_start"] == ["flowers-1"]
    # a later session has it of the header, whatever became of the earlier sweep
    later = plan_sweep(SweepConfig.create(**header.config), space=SearchSpace.model_validate(header.space))
    assert later.points == plan.points
    again = Proposals(later.searcher, later.sampler, later.metric, later.points)
    assert [again.draw() for _ in range(3)] == drawn
    assert "warm_start" not in SweepConfig.create(data="x.csv").model_dump(mode="json")


def test_mistakes_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--warm-start does not go with --algorithm grid"):
        earlier_sweeps(SweepConfig.create(data="x.csv", warm_start="a", algorithm="grid"))
    found = CliRunner().invoke(main, ["plan", "sklearn:iris", "--warm-start", "nothing"])
    assert found.exit_code == 2
    assert "there is no sweep" in found.stderr
