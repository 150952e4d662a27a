"""Schedulers by hand-computed examples, and that what they have been told is all that they know."""

import dataclasses

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.choices import SchedulerName, names_of
from orchestrator.search import (
    CategoricalParameter,
    Continuation,
    Decision,
    Observation,
    SearchSpace,
    SpecSampler,
    find_scheduler,
    load_space,
)
from orchestrator.search.explore import explorer
from orchestrator.search.schedulers import Scheduler
from orchestrator.search.schedulers._rungs import first_rung, rungs_for, rungs_of
from orchestrator.search.schedulers.asha import Asha
from orchestrator.search.schedulers.asha_promote import PromotionAsha
from orchestrator.search.schedulers.hyperband import Hyperband
from orchestrator.search.schedulers.median import MedianStopping
from orchestrator.search.schedulers.pbt import PopulationBasedTraining
from orchestrator.search.schedulers.portfolio import Portfolio
from orchestrator.search.suggest import suggest
from orchestrator.training import TrialSpec

NAMES = names_of(SchedulerName)
CONTINUE, STOP, PAUSE = Decision.CONTINUE, Decision.STOP, Decision.PAUSE
SPACE = SearchSpace(architectures={"mlp": {}})
SPEC = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8})


def see(scheduler, index, epoch, score, best=None):
    return scheduler.observe(Observation(index, epoch, score, score if best is None else best))


def paused(scheduler, scores, epoch=1):
    """A scheduler at whose rung trials 0, 1, ... with these scores wait."""
    for index, score in enumerate(scores):
        scheduler.drawn(index, SPEC)
        assert see(scheduler, index, epoch, score) is PAUSE
    return scheduler


def next_of(scheduler, *, drawing=True, idle=False):
    chosen = scheduler.choose(drawing=drawing, idle=idle)
    return None if chosen is None else chosen.index


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, ()), (2, (1,)), (6, (1, 3)), (20, (3, 9)), (30, (5, 15)), (100, (16, 48))]
)
def test_rungs_begin_at_a_sixth_and_are_three_times_the_one_before(epochs, rungs):
    assert rungs_of(epochs) == rungs
    assert first_rung(epochs) == max(1, epochs // 6)


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, ()), (2, (1,)), (15, (3, 7)), (20, (4, 10)), (120, (24, 56)), (256, (52, 120))],
)
def test_rungs_are_where_the_second_and_third_cycle_of_coslog4_end(epochs, rungs):
    cycles = SPACE.model_copy(update={"parameters": {"schedule": "coslog4"}})
    assert rungs_for(epochs, cycles) == rungs == rungs_for(epochs, SearchSpace(architectures={"realmlp": {}}))
    # where its paper's schedule is not the one that a space has
    plain = SearchSpace(architectures={"realmlp": {"schedule": "cosine"}, "mlp": {}})
    assert rungs_for(epochs, plain) == rungs_of(epochs)
    drawn = CategoricalParameter(type="categorical", choices=["cosine", "coslog4"])
    assert rungs_for(epochs, SearchSpace(architectures={"mlp": {"schedule": drawn}})) == rungs


def test_expected_epochs_by_hand():
    assert find_scheduler("none").expected_epochs(20, SPACE) == find_scheduler("pbt").expected_epochs(20, SPACE) == 20
    assert find_scheduler("median").expected_epochs(20, SPACE) == (3 + 20) / 2
    for name in ("asha", "asha-promote", "hyperband"):
        assert find_scheduler(name).expected_epochs(20, SPACE) == pytest.approx(3 + (9 - 3) / 3 + (20 - 9) / 9)


def test_without_a_scheduler_everything_goes_on():
    scheduler = Scheduler()
    assert [see(scheduler, 0, epoch, -epoch) for epoch in range(1, 5)] == [CONTINUE] * 4
    assert scheduler.milestones(0) == ()
    assert scheduler.choose(drawing=False, idle=True) is None


def test_asha_stops_those_that_are_not_in_the_top_third_of_their_rung():
    scheduler = Asha((1, 3))
    decisions = [see(scheduler, index, 1, score) for index, score in enumerate([0.5, 0.4, 0.6, 0.55, 0.65, 0.62, 0.61])]
    # of 6 the best two go on, of 7 as well
    assert decisions == [CONTINUE, STOP, CONTINUE, STOP, CONTINUE, CONTINUE, STOP]


def test_asha_compares_each_rung_for_itself_and_nothing_in_between():
    scheduler = Asha((1, 3))
    for index in range(6):
        see(scheduler, index, 1, 1.0)
    assert see(scheduler, 7, 2, 0.0) is CONTINUE
    assert see(scheduler, 7, 3, 0.0) is CONTINUE
    assert see(scheduler, 8, 3, -1.0) is STOP


def test_asha_compares_the_best_epochs_and_lets_equal_ones_go_on():
    scheduler = Asha((3,))
    assert see(scheduler, 0, 3, score=0.5, best=0.9) is CONTINUE
    assert see(scheduler, 1, 3, score=0.8, best=0.8) is STOP
    assert see(scheduler, 2, 3, score=0.1, best=0.9) is CONTINUE


def test_promotion_pauses_at_each_rung_only():
    scheduler = PromotionAsha((1, 3))
    assert [see(scheduler, 0, epoch, 0.5) for epoch in (1, 2, 3, 4)] == [PAUSE, CONTINUE, PAUSE, CONTINUE]
    assert scheduler.milestones(0) == (1, 3)


def test_promotion_takes_the_best_third_of_a_rung():
    scheduler = PromotionAsha((1, 3))
    promoted = []
    for index, score in enumerate([0.5, 0.6, 0.4, 0.9, 0.1, 0.2, 0.7]):
        scheduler.drawn(index, SPEC)
        see(scheduler, index, 1, score)
        chosen = scheduler.choose(drawing=True, idle=False)
        assert scheduler.choose(drawing=True, idle=False) == chosen
        promoted.append(chosen and chosen.index)
        if chosen is not None:
            assert chosen == Continuation(chosen.index)
            scheduler.continued(chosen)
    # the third of 3 is trial 1; of 4 it is trial 3; of 7 the best two are 3 and 6
    assert promoted == [None, None, 1, 3, None, None, 6]


def test_promotion_prefers_the_highest_rung():
    scheduler = paused(PromotionAsha((1, 3)), [index / 20 for index in range(12)])
    for index, score in [(11, 0.7), (10, 0.9), (9, 0.8)]:
        assert next_of(scheduler) == index
        scheduler.continued(Continuation(index))
        see(scheduler, index, 3, score)
    # trial 8 is the next one at the lower rung
    assert next_of(scheduler) == 10
    scheduler.continued(Continuation(10))
    assert next_of(scheduler) == 8


def test_promotion_compares_best_epochs_and_prefers_the_first_of_equal_ones():
    scheduler = PromotionAsha((3,))
    for index, (score, best) in enumerate([(0.9, 0.9), (0.1, 0.95), (0.95, 0.95)]):
        see(scheduler, index, 3, score, best)
    assert next_of(scheduler) == 1


def test_the_best_of_too_few_gets_a_last_chance_when_nothing_else_is_left_to_do():
    scheduler = paused(PromotionAsha((1, 3)), [0.1, 0.3])
    assert next_of(scheduler, drawing=True, idle=True) is None
    assert next_of(scheduler, drawing=False, idle=False) is None
    assert next_of(scheduler, drawing=False, idle=True) == 1
    scheduler.continued(Continuation(1))
    assert next_of(scheduler, drawing=False, idle=True) is None
    see(scheduler, 1, 3, 0.5)
    assert next_of(scheduler, drawing=False, idle=True) == 1
    scheduler.continued(Continuation(1))
    assert next_of(scheduler, drawing=False, idle=True) is None


def test_promotion_never_takes_one_that_has_ended():
    scheduler = paused(PromotionAsha((1, 3)), [0.5, 0.6, 0.4])
    scheduler.ended(1)
    assert next_of(scheduler) is None
    assert next_of(scheduler, drawing=False, idle=True) is None
    # the scores of the one that has ended still count: of 6 the best two are 1 and 0
    for index in (3, 4, 5):
        see(scheduler, index, 1, 0.0)
    assert next_of(scheduler) == 0


def test_hyperband_deals_trials_out_to_brackets_in_their_proportions():
    # ceil(3 / (s + 1) * 3^s) for s = 2, 1, 0
    weights = {(1, 3): 9, (3,): 5, (): 3}
    scheduler = Hyperband((1, 3))
    found = dict.fromkeys(weights, 0)
    for index in range(2 * 17):
        scheduler.drawn(index, SPEC)
        found[scheduler.milestones(index)] += 1
        for milestones, weight in weights.items():
            assert abs(found[milestones] - (index + 1) * weight / 17) < 1.5
        if index == 16:
            assert found == weights
    assert found == {milestones: 2 * weight for milestones, weight in weights.items()}


def test_hyperband_never_pauses_the_last_bracket_and_compares_within_brackets():
    scheduler = Hyperband((1, 3))
    brackets = {}
    for index in range(17):
        scheduler.drawn(index, SPEC)
        brackets.setdefault(scheduler.milestones(index), []).append(index)
    for index in brackets[()]:
        assert [see(scheduler, index, epoch, 0.0) for epoch in range(1, 6)] == [CONTINUE] * 5
    middle = brackets[(3,)][:3]
    for index, score in zip(middle, (0.2, 0.1, 0.3), strict=True):
        assert [see(scheduler, index, epoch, score) for epoch in (1, 2, 3)] == [CONTINUE, CONTINUE, PAUSE]
    assert next_of(scheduler) == middle[2]
    first = brackets[(1, 3)][:3]
    for index in first:
        # far better, but of another bracket
        assert see(scheduler, index, 1, 9.0) is PAUSE
    assert next_of(scheduler) == first[0]
    scheduler.continued(Continuation(first[0]))
    assert next_of(scheduler) == middle[2]
    scheduler.ended(middle[2])
    assert next_of(scheduler) is None


def test_hyperband_with_a_single_epoch_has_one_bracket_that_never_pauses():
    scheduler = Hyperband(rungs_of(1))
    scheduler.drawn(0, SPEC)
    assert scheduler.milestones(0) == ()


@pytest.mark.parametrize(
    ("score", "best", "decision"), [(0.35, 0.35, STOP), (0.4, 0.4, CONTINUE), (0.1, 0.45, CONTINUE), (0.39, 0.39, STOP)]
)
def test_median_compares_the_best_score_with_running_averages(score, best, decision):
    scheduler = MedianStopping(grace=1)
    for index, scores in enumerate([(0.5, 0.7), (0.3, 0.5), (0.1, 0.3)]):
        assert [see(scheduler, index, epoch, value) for epoch, value in enumerate(scores, 1)] == [CONTINUE] * 2
    # averages after two epochs: 0.6, 0.4, 0.2
    assert see(scheduler, 3, 1, 0.0) is CONTINUE
    assert see(scheduler, 3, 2, score, best) is decision


def test_median_needs_three_others_at_the_same_epoch():
    scheduler = MedianStopping(grace=0)
    assert [see(scheduler, index, 1, -index) for index in range(4)] == [CONTINUE, CONTINUE, CONTINUE, STOP]


def replaced(spec, random):
    """What a population changes, so that one can see it."""
    return dataclasses.replace(spec, learning_rate=spec.learning_rate * 2, momentum=float(random.random()))


def population(scores, seed=0, epochs=4):
    scheduler = PopulationBasedTraining(1, epochs, seed, replaced)
    for index, score in enumerate(scores):
        scheduler.drawn(index, dataclasses.replace(SPEC, learning_rate=1.0 + index))
        assert see(scheduler, index, 1, score) is PAUSE
    return scheduler


def test_a_population_pauses_at_every_milestone():
    scheduler = PopulationBasedTraining(2, 6, 0, replaced)
    scheduler.drawn(0, SPEC)
    assert scheduler.milestones(0) == (2, 4)
    assert [see(scheduler, 0, epoch, 0.0) for epoch in range(1, 6)] == [CONTINUE, PAUSE, CONTINUE, PAUSE, CONTINUE]


def test_nobody_of_a_population_goes_on_while_it_is_drawn():
    scheduler = population([0.5] * 8)
    assert scheduler.choose(drawing=True, idle=True) is None
    assert next_of(scheduler, drawing=False) == 0


def test_those_with_the_fewest_epochs_go_on_first():
    scheduler = population([0.1, 0.2, 0.3])
    order = []
    while True:
        index = next_of(scheduler, drawing=False)
        if index is None:
            break
        order.append(index)
        scheduler.continued(Continuation(index))
        see(scheduler, index, 1 + order.count(index), 0.5)
    assert order == [0, 1, 2] * 3


def test_the_bottom_quarter_takes_over_from_the_top_quarter():
    scheduler = population([index / 10 for index in range(8)])
    for index in range(8):
        chosen = scheduler.choose(drawing=False, idle=False)
        assert chosen.index == index
        if index < 2:
            assert chosen.donor in (6, 7)
            assert chosen.spec.learning_rate == 2 * (1.0 + chosen.donor)
        else:
            assert chosen == Continuation(index)
        scheduler.continued(chosen)
    assert scheduler.choose(drawing=False, idle=True) is None


def test_a_population_of_three_has_no_quarter():
    scheduler = population([0.1, 0.2, 0.3])
    assert scheduler.choose(drawing=False, idle=False) == Continuation(0)


def test_a_population_compares_present_scores_not_best_ones():
    scheduler = PopulationBasedTraining(1, 4, 0, replaced)
    for index in range(4):
        scheduler.drawn(index, SPEC)
        see(scheduler, index, 1, score=float(-index), best=float(index))
    assert scheduler.choose(drawing=False, idle=False) == Continuation(0)
    for index in range(3):
        scheduler.continued(Continuation(index))
    assert scheduler.choose(drawing=False, idle=False).donor == 0


def test_a_donor_gives_the_settings_that_it_has_now():
    scheduler = population([0.0, 0.1, 0.2, 0.3], epochs=6)
    first = scheduler.choose(drawing=False, idle=False)
    assert (first.index, first.donor) == (0, 3)
    scheduler.continued(first)
    for index in (1, 2, 3):
        scheduler.continued(Continuation(index))
    for index, score in enumerate([0.9, 0.1, 0.2, 0.3]):
        see(scheduler, index, 2, score)
    scheduler.continued(Continuation(0))
    second = scheduler.choose(drawing=False, idle=False)
    assert (second.index, second.donor) == (1, 0)
    assert second.spec.learning_rate == 2 * first.spec.learning_rate


def test_a_donor_is_never_one_that_has_ended():
    for seed in range(20):
        scheduler = population([index / 10 for index in range(8)], seed)
        scheduler.ended(7)
        assert scheduler.choose(drawing=False, idle=False).donor == 6
        scheduler.ended(6)
        assert scheduler.choose(drawing=False, idle=False) == Continuation(0)
        scheduler.ended(0)
        assert next_of(scheduler, drawing=False) == 1


def test_the_choice_of_a_population_follows_from_the_seed():
    scores = [index / 10 for index in range(8)]
    chosen = [population(scores, seed).choose(drawing=False, idle=False) for seed in range(20)]
    again = [population(scores, seed).choose(drawing=False, idle=True) for seed in range(20)]
    assert chosen == again
    assert {choice.donor for choice in chosen} == {6, 7}
    assert len({choice.spec.momentum for choice in chosen}) == 20


@pytest.mark.parametrize("name", ["tabular", "quick"])
@given(seed=st.integers(0, 10**6), draw=st.integers(0, 50), rounds=st.integers(1, 12))
@settings(max_examples=12)
def test_exploring_changes_real_numbers_within_their_bounds_only(name, seed, draw, rounds):
    space = load_space(name)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=draw)).ask()
    spec = SpecSampler(space, "log_loss", seed, {}).spec(suggest(space, trial), 0)
    entries = {key: entry for key, (_, entry) in space.entries(spec.architecture).items()}
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        before, spec = spec, explorer(space)(spec, random)
        assert set(spec.parameters) == set(before.parameters)
        for key, value in spec.parameters.items():
            old, entry = before.parameters[key], entries.get(key)
            if getattr(entry, "type", None) == "float":
                assert entry.low <= value <= entry.high
                assert value in [min(max(old * factor, entry.low), entry.high) for factor in (0.8, 1.2)]
            else:
                assert (type(value), value) == (type(old), old)


def test_exploring_leaves_what_matters_at_the_start_and_what_does_not_exist(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        "parameters:\n"
        "  warmup_epochs: {type: float, low: 0.0, high: 5.0}\n"
        "  learning_rate: {type: float, low: 0.001, high: 1.0}\n"
        "architectures:\n"
        "  mlp:\n"
        "    normalization: {type: categorical, choices: [none, batch]}\n"
        "    dropout: {type: float, low: 0.1, high: 0.5, when: {normalization: none}}\n"
    )
    explore = explorer(load_space(path))
    spec = TrialSpec(architecture="mlp", settings={"normalization": "batch"}, warmup_epochs=2.0, learning_rate=0.1)
    changed = explore(spec, np.random.default_rng(0))
    assert changed.learning_rate in (0.1 * 0.8, 0.1 * 1.2)
    assert dataclasses.replace(changed, learning_rate=0.1) == spec
    other = dataclasses.replace(spec, architecture="resnet")
    assert explore(other, np.random.default_rng(0)) == other


class Told:
    """A scheduler, and the list of all that it was told, as a sweep of some trials at once would tell it."""

    def __init__(self, scheduler, epochs):
        self.scheduler, self.epochs = scheduler, epochs
        self.log = []
        self.running, self.waiting, self.over = {}, {}, set()
        self.count = 0

    def tell(self, name, *arguments):
        answer = getattr(self.scheduler, name)(*arguments)
        self.log.append((name, arguments, answer))
        return answer

    def draw(self, _pick, score):
        spec = dataclasses.replace(SPEC, learning_rate=0.001 * (1 + score))
        self.tell("drawn", self.count, spec)
        self.running[self.count] = 0, float("-inf")
        self.count += 1

    def step(self, pick, score):
        if not self.running:
            return
        index = sorted(self.running)[pick % len(self.running)]
        epoch, best = self.running.pop(index)
        epoch, best = epoch + 1, max(best, float(score))
        decision = CONTINUE
        if epoch < self.epochs:
            decision = self.tell("observe", Observation(index, epoch, float(score), best))
        if decision is STOP or epoch == self.epochs:
            self.tell("ended", index)
            self.over.add(index)
        elif decision is PAUSE:
            assert epoch in self.scheduler.milestones(index)
            self.waiting[index] = epoch, best
        else:
            self.running[index] = epoch, best

    def end(self, pick, _score):
        there = sorted(self.running | self.waiting)
        if there:
            index = there[pick % len(there)]
            self.running.pop(index, None)
            self.waiting.pop(index, None)
            self.tell("ended", index)
            self.over.add(index)

    def go_on(self, pick, _score):
        chosen = self.scheduler.choose(drawing=pick % 2 == 0, idle=not self.running)
        if chosen is not None:
            assert chosen.index in self.waiting
            assert chosen.donor not in self.over
            self.tell("continued", chosen)
            self.running[chosen.index] = self.waiting.pop(chosen.index)


def all_choices(scheduler):
    return [scheduler.choose(drawing=drawing, idle=idle) for drawing in (True, False) for idle in (True, False)]


ACTIONS = ("draw", "step", "step", "step", "step", "go_on", "go_on", "end")


@pytest.mark.parametrize("epochs", [1, 6, 12])
@pytest.mark.parametrize("name", NAMES)
@given(
    actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9), st.integers(0, 40)), max_size=120),
    seed=st.integers(0, 3),
)
@settings(max_examples=15)
def test_a_scheduler_that_is_told_the_same_says_the_same(name, epochs, actions, seed):
    space = load_space("quick")
    told = Told(find_scheduler(name).create(epochs, space, seed), epochs)
    for action, pick, score in actions:
        getattr(told, action)(pick, score)
        all_choices(told.scheduler)
    again = find_scheduler(name).create(epochs, space, seed)
    for action, arguments, answer in told.log:
        assert getattr(again, action)(*arguments) == answer
    assert all_choices(again) == all_choices(told.scheduler)
    for index in range(told.count):
        assert again.milestones(index) == told.scheduler.milestones(index)


def test_start_points_run_to_their_end_and_count_for_the_others():
    points = [{"architecture": "mlp", "learning_rate": 0.01, "width": 64}, {"architecture": "resnet"}]
    scheduler = Portfolio((1, 3), points)
    specs = [
        dataclasses.replace(SPEC, settings={"width": 64, "depth": 2}, learning_rate=0.01),
        dataclasses.replace(SPEC, architecture="resnet"),
        dataclasses.replace(SPEC, settings={"width": 64, "depth": 2}, learning_rate=0.02),
        dataclasses.replace(SPEC, learning_rate=0.01),
    ]
    for index, spec in enumerate(specs):
        scheduler.drawn(index, spec)
    assert [scheduler.milestones(index) for index in range(4)] == [(), (), (1, 3), (1, 3)]
    told = {index: scheduler.observe(Observation(index, 1, 0.5, 0.9 - index / 10)) for index in range(4)}
    assert told == {0: CONTINUE, 1: CONTINUE, 2: PAUSE, 3: PAUSE}
    # one of three would go on: a start point, which runs anyway, is the best
    assert scheduler.choose(drawing=True, idle=False) is None
    assert [scheduler.informs(index, 1) for index in range(4)] == [True, True, False, False]
    assert not scheduler.informs(0, 3)
    # the third of six is better than all that pause
    for index in (4, 5):
        scheduler.drawn(index, specs[3])
        scheduler.observe(Observation(index, 1, 0.0, 0.85 if index == 5 else 0.0))
    assert scheduler.choose(drawing=True, idle=False) == Continuation(5)


def test_a_start_point_ends_when_a_whole_cycle_has_brought_nothing():
    scheduler = Portfolio((3, 7), [{"architecture": "mlp"}])
    specs = [dataclasses.replace(SPEC, schedule=schedule) for schedule in ("coslog4", "coslog4", "cosine")]
    said = []
    for index, spec in enumerate(specs):
        scheduler.drawn(index, spec)
        best = [0.7, 0.8, 0.8, 0.8, 0.8, 0.8, 0.9 if index == 1 else 0.8]
        seen = [Observation(index, epoch, 0.5, value) for epoch, value in enumerate(best, start=1)]
        said.append([scheduler.observe(item) for item in seen])
    # the third one's rate has not been 0 yet: it may still become better
    assert said == [[CONTINUE] * 6 + [STOP], [CONTINUE] * 7, [CONTINUE] * 7]


def test_without_start_points_a_portfolio_promotes_as_asha_does():
    plain, portfolio = PromotionAsha((1, 3)), Portfolio((1, 3))
    for scheduler in (plain, portfolio):
        for index in range(7):
            scheduler.drawn(index, SPEC)
            scheduler.observe(Observation(index, 1, index / 10, index / 10))
    assert plain.choose(drawing=True, idle=False) == portfolio.choose(drawing=True, idle=False) == Continuation(6)
    assert Portfolio.create(15, SPACE, 0).milestones(0) == PromotionAsha.create(15, SPACE, 0).milestones(0)


def test_all_start_points_of_the_default_space_are_known_again():
    space = load_space("tabular")
    sampler = SpecSampler(space, "log_loss", 0, {"epochs": 7})
    scheduler = Portfolio.create(7, space, 0)
    for index, spec in enumerate(sampler.examples(space.start_points, len(space.start_points) + 5)):
        scheduler.drawn(index, spec)
    trusted = [index for index in range(len(space.start_points) + 5) if not scheduler.milestones(index)]
    assert trusted == list(range(len(space.start_points)))
