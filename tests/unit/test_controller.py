"""The controller without Ray: whatever happens to its process or to those of trials, every trial comes to its end."""

import dataclasses
import itertools
import random
import time
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.choices import SchedulerName, names_of
from orchestrator.errors import ExecutionError
from orchestrator.journal import FINAL, Begun, Closed, Continued, Drawn, Ended, Lost, Opened, Paused, Reported, Yielded
from orchestrator.journal.events import from_line, to_line
from orchestrator.search import Decision, Proposals, SpecSampler, find_scheduler, find_searcher, load_space
from orchestrator.storage import Storage
from orchestrator.sweeps.budget import TimeBudget
from orchestrator.sweeps.controller import SweepController
from orchestrator.sweeps.disk import HELD_SHARE, Disk, quota
from orchestrator.sweeps.limits import Limits
from orchestrator.sweeps.messages import EpochMessage, FailureMessage, message_from_wire, message_to_wire
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.tasks import Metric
from orchestrator.training import EpochReport

SCHEDULERS = names_of(SchedulerName)
EPOCHS = 6
STORED = 100
LOSS = Metric("log_loss", False)


quick_space = cache(lambda: load_space("quick"))


class CrashError(Exception):
    """The driver's process is killed."""


@dataclass(frozen=True)
class Weights:
    """What a trial has learned after an epoch."""

    amount: float = 0.0
    epoch: int = 0
    best_epoch: int = 0
    best_value: float = float("inf")


class Files:
    """The files of all trials, as their workers and the driver see them."""

    def __init__(self):
        self.states, self.best, self.forgotten = {}, {}, []

    def write(self, index, weights):
        self.states[index] = weights
        self.best[index] = weights.best_epoch

    def forget(self, _storage, index, *, keep=0):
        self.forgotten.append((index, keep))
        self.states.pop(index, None)
        kept = self.best.pop(index, 0)
        if keep:
            assert kept == keep, f"the weights of epoch {keep} of trial {index} are not there"
            self.best[index] = kept

    @property
    def owners(self):
        return set(self.states) | set(self.best)


class Room:
    """So many trials at once."""

    def __init__(self, slots):
        self.slots, self.running = slots, {}

    def admits(self, size):
        return sum(self.running.values()) + size <= self.slots

    def start(self, index, size):
        assert index not in self.running, f"trial {index} runs twice"
        assert self.admits(size)
        self.running[index] = size

    def end(self, index):
        del self.running[index]

    def gives_way(self, index):
        return False


class SharedRoom(Room):
    """Other sweeps take places, and give them back, whenever they like."""

    def __init__(self, slots, seed):
        super().__init__(slots)
        self.random, self.giving, self.refused = random.Random(seed), set(), False

    def admits(self, size):
        self.refused = self.random.random() < 0.3
        return not self.refused and super().admits(size)

    def start(self, index, size):
        self.running[index] = size

    def end(self, index):
        super().end(index)
        self.giving.discard(index)

    def gives_way(self, index):
        if self.random.random() < 0.3:
            self.giving.add(index)
        return index in self.giving


def noise(*key):
    return random.Random(repr(key)).random()


def curve(spec, epoch, amount):
    """The amount that an epoch adds, and the loss after it."""
    amount += spec.learning_rate * (0.5 + noise(spec.seed, epoch))
    return amount, 1 / (1 + 30 * amount) + 0.1 * noise(epoch, spec.seed)


class Sweep:
    """A sweep whose journal and files outlive its drivers.

    `train` computes an epoch as `curve` does; a string instead of a value is the reason of a failure.
    """

    def __init__(
        self,
        scheduler="none",
        *,
        slots=1,
        epochs=EPOCHS,
        algorithm="random",
        top=1,
        budget=None,
        limits=Limits(),  # noqa: B008
        train=curve,
        patience=0,
        crashes=(),
        room=None,
        saves=lambda _epoch: True,
    ):
        self.scheduler, self.slots, self.epochs, self.algorithm = scheduler, slots, epochs, algorithm
        self.top, self.budget, self.limits, self.train = top, budget, limits, train
        self.fixed = {"epochs": epochs, "patience": patience}
        self.crashes, self.saves = set(crashes), saves
        self.room = room or Room(slots)
        self.lines, self.files, self.said, self.ended = [], Files(), [], []
        self.names = map(str, itertools.count())
        self.workers = {}

    @property
    def events(self):
        return [from_line(line) for line in self.lines]

    @property
    def trial_table(self):
        return self.controller.trial_table

    def statuses(self):
        return {index: record.status for index, record in self.trial_table.records.items()}

    def record(self, event):
        self.lines.append(to_line(event))
        if len(self.lines) in self.crashes:
            raise CrashError

    def open(self, trials):
        """A driver takes up what the one before has left."""
        space = quick_space()
        sampler = SpecSampler(space, LOSS.name, 0, self.fixed)
        self.workers = {}
        # of processes that are gone
        self.room.running.clear()
        self.room.slots = self.slots
        self.controller = SweepController(
            trial_table=TrialTable(LOSS),
            proposals=Proposals(find_searcher(self.algorithm), sampler, LOSS, space.start_points),
            scheduler=find_scheduler(self.scheduler).create(self.epochs, space, 0),
            room=self.room,
            sizes={"mlp": 1},
            limits=self.limits,
            disk=Disk(Storage("/nowhere"), self.top, self.budget, self.files.forget),
            record=self.record,
            listener=lambda record, _trial_table: self.ended.append((record.index, record.status)),
            notify=self.said.append,
        )
        self.controller.restore(self.events)
        self.controller.open(trials)
        return self.controller

    def start(self):
        """The name of the next attempt, and what it is, if there is room for one."""
        name = next(self.names)
        attempt = self.controller.next_attempt(name)
        if attempt is None:
            return None
        assert attempt.index not in {other.index for other, _ in self.workers.values()}
        self.workers[name] = attempt, None
        return name, attempt

    def begin(self):
        """As `start`; a process takes it up."""
        started = self.start()
        if started is not None:
            self.controller.on_trial_start(started[0])
        return started

    def step(self, name):
        """An epoch of a trial, and what follows from it; the decision."""
        attempt, weights = self.workers[name]
        if weights is None:
            weights = self._load(attempt)
        epoch = weights.epoch + 1
        amount, value = self.train(attempt.spec, epoch, weights.amount)
        if isinstance(value, str):
            return self.fail(name, value)
        better = value < weights.best_value
        weights = Weights(
            amount, epoch, epoch if better else weights.best_epoch, value if better else weights.best_value
        )
        last = epoch == attempt.spec.epochs or 0 < attempt.spec.patience <= epoch - weights.best_epoch
        self.files.write(attempt.index, weights)
        self.workers[name] = attempt, weights
        report = EpochReport(
            epoch=epoch,
            train_loss=0.5,
            validation={LOSS.name: value},
            learning_rate=0.1,
            seconds=1.0,
            examples_per_second=10.0,
            best_epoch=weights.best_epoch,
            best_value=weights.best_value,
            last=last,
        )
        message = EpochMessage(
            report=report,
            train_seconds=float(epoch - attempt.epochs),
            kept=weights.best_epoch,
            stored=STORED,
            saved=self.saves(epoch),
        )
        decision = self.controller.on_trial_result(name, message_from_wire(message_to_wire(message)))
        if last or decision is not Decision.CONTINUE:
            if decision is Decision.PAUSE:
                assert epoch in attempt.milestones or attempt.index in self.room.giving
            self.over(name)
        return decision

    def _load(self, attempt):
        weights = Weights()
        if attempt.epochs:
            assert attempt.number > 1
            assert attempt.index in self.files.states, f"trial {attempt.index} has nothing to go on from"
            weights = self.files.states[attempt.index]
            assert weights.epoch == attempt.epochs
        if attempt.donor is not None:
            assert attempt.donor in self.files.states, f"nothing is left of donor {attempt.donor}"
            weights = dataclasses.replace(weights, amount=self.files.states[attempt.donor].amount)
        return weights

    def fail(self, name, reason, *, lost=False):
        self.controller.on_trial_result(name, FailureMessage(reason, lost))
        self.over(name)

    def over(self, name):
        del self.workers[name]
        self.controller.on_trial_complete(name)

    def lose(self, name, reason="killed"):
        del self.workers[name]
        self.controller.on_trial_error(name, reason)

    def finish(self, pick=lambda names: names[0], until=lambda: False):
        """Runs what there is to run; `pick` says whose turn it is."""
        while not until():
            try:
                while self.begin() is not None:
                    pass
            except StopIteration:
                assert not self.workers
                return
            if not self.workers:
                assert self.room.refused, "nothing runs, and nothing starts"
                continue
            self.step(pick(list(self.workers)))

    def run(self, trials, **options):
        """From the start to the end, with as many drivers as it takes."""
        while True:
            try:
                self.open(trials)
                self.finish(**options)
            except CrashError:
                continue
            return self


def outcome(sweep):
    """What must not depend on breaks."""
    records = {
        index: (
            record.spec,
            record.best_spec,
            dict(record.point),
            record.epochs,
            record.status,
            record.reason,
            record.value,
            record.kept,
            record.train_seconds,
        )
        for index, record in sweep.trial_table.records.items()
    }
    return records, sweep.trial_table.best.index, sweep.trial_table.best.value


def check_journal(sweep, trials):
    """Every trial that was wanted has come to one end, each of its epochs is there once."""
    epochs, ends, attempts = {}, {}, {}
    for event in sweep.events:
        match event:
            case Drawn():
                assert event.index == len(epochs)
                epochs[event.index], ends[event.index], attempts[event.index] = [], [], []
            case Begun():
                attempts[event.index].append(event.attempt)
            case Reported():
                epochs[event.index].append(event.report.epoch)
            case Ended() if event.status in FINAL:
                ends[event.index].append(event.status)
        if not isinstance(event, Opened | Drawn | Ended):
            assert not ends[event.index], f"{event} after the end of the trial"
    assert len(epochs) == trials
    for index, record in sweep.trial_table.records.items():
        assert ends[index] == [record.status]
        assert epochs[index] == list(range(1, record.epochs + 1))
        assert attempts[index] == list(range(1, record.attempts + 1))
        assert record.train_seconds == record.epochs
    return epochs, ends


def sometimes_failing(spec, epoch, amount):
    if spec.seed % 7 == 3 and epoch == 2:
        return amount, "not today"
    return curve(spec, epoch, amount)


@cache
def uninterrupted(scheduler, algorithm):
    sweep = Sweep(scheduler, algorithm=algorithm, train=sometimes_failing, patience=3).run(14)
    check_journal(sweep, 14)
    return len(sweep.lines), outcome(sweep)


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(data=st.data())
@settings(max_examples=8)
def test_a_crash_after_any_event_changes_nothing(scheduler, algorithm, data):
    count, wanted = uninterrupted(scheduler, algorithm)
    crashes = data.draw(st.sets(st.integers(1, count + 10), min_size=1, max_size=6))
    sweep = Sweep(scheduler, algorithm=algorithm, train=sometimes_failing, patience=3, crashes=crashes).run(14)
    check_journal(sweep, 14)
    assert outcome(sweep) == wanted


def test_the_examples_have_all_kinds_of_ends():
    found = {scheduler: uninterrupted(scheduler, "random")[1][0] for scheduler in SCHEDULERS}
    assert {record[4] for record in found["none"].values()} == {"finished", "failed"}
    for scheduler in ("asha", "asha-promote", "hyperband", "median"):
        assert {"finished", "stopped", "failed"} == {record[4] for record in found[scheduler].values()}
    # some go on with settings that were not drawn
    assert any(record[0] != found["none"][index][0] for index, record in found["pbt"].items())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_crash_near_the_end_leaves_the_files_of_the_best_trial_only(scheduler):
    count = len(Sweep(scheduler).run(7).lines)
    for crash in range(count - 12, count + 1):
        sweep = Sweep(scheduler, crashes=[crash]).run(7)
        assert (crash, sweep.files.owners) == (crash, {sweep.trial_table.best.index})


class Chaos:
    """Processes that start late, are lost, or never take up their trial; drivers that are killed."""

    def __init__(self, sweep, seed, trials):
        self.sweep, self.random, self.trials = sweep, random.Random(seed), trials

    def run(self):
        while True:
            try:
                self.sweep.open(self.trials)
                while self.act():
                    pass
            except CrashError:
                continue
            return

    def act(self):
        sweep = self.sweep
        try:
            while len(sweep.workers) < sweep.slots and self.random.random() < 0.9:
                if sweep.start() is None:
                    break
        except StopIteration:
            assert not sweep.workers
            return False
        if not sweep.workers:
            return True
        name = self.random.choice(list(sweep.workers))
        attempt, _ = sweep.workers[name]
        chance = self.random.random()
        if chance < 0.04:
            sweep.lose(name)
        elif chance < 0.06:
            sweep.fail(name, "out of luck", lost=True) if self.is_running(attempt) else sweep.over(name)
        elif self.is_running(attempt):
            sweep.step(name)
        else:
            sweep.controller.on_trial_start(name)
        return True

    def is_running(self, attempt):
        return self.sweep.statuses()[attempt.index] == "running"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(
    seed=st.integers(0, 10**6),
    slots=st.integers(2, 5),
    crashes=st.sets(st.integers(1, 200), max_size=4),
    algorithm=st.sampled_from(["random", "tpe"]),
)
@settings(max_examples=15)
def test_with_several_slots_every_trial_comes_to_one_end(scheduler, seed, slots, crashes, algorithm):
    sweep = Sweep(
        scheduler, slots=slots, algorithm=algorithm, train=sometimes_failing, crashes=crashes, limits=Limits(3)
    )
    Chaos(sweep, seed, 15).run()
    check_journal(sweep, 15)
    for record in sweep.trial_table.records.values():
        assert record.losses <= 3
        if record.status == "finished":
            assert record.epochs == EPOCHS
    assert sweep.trial_table.best.index in sweep.files.best


def test_trials_that_were_paused_are_chosen_by_the_order_of_the_scheduler():
    sweep = Sweep("asha-promote").run(9)
    epochs, ends = check_journal(sweep, 9)
    values = {
        event.index: event.report.best_value
        for event in sweep.events
        if isinstance(event, Reported) and event.report.epoch == 1
    }
    reached = [index for index in epochs if len(epochs[index]) > 1]
    assert 3 <= len(reached) < 9
    assert min(values, key=values.get) in reached
    assert max(values, key=values.get) not in reached
    assert sum(ends[index] == ["finished"] for index in ends) >= 1
    for record in sweep.trial_table.records.values():
        if record.status == "stopped":
            assert record.reason == f"by the scheduler after epoch {record.epochs}"


def test_a_lost_trial_goes_on_until_it_was_lost_too_often():
    sweep = Sweep(limits=Limits(max_failures=2), epochs=8)
    sweep.open(1)
    for number, epochs in [(1, 0), (2, 2), (3, 4)]:
        name, attempt = sweep.begin()
        assert (attempt.index, attempt.number, attempt.epochs) == (0, number, epochs)
        assert not sweep.said or "trial 0 goes on from its last checkpoint" in sweep.said[-1]
        sweep.step(name)
        sweep.step(name)
        sweep.lose(name, f"signal {number}")
    record = sweep.trial_table.records[0]
    assert (record.status, record.losses, record.epochs) == ("failed", 2, 6)
    assert record.reason.startswith("the process of the trial was lost (signal 3)")
    assert len(sweep.said) == 2
    with pytest.raises(StopIteration):
        sweep.start()
    check_journal(sweep, 1)


@pytest.mark.parametrize("begun", [True, False])
def test_a_process_that_is_lost_before_its_first_epoch_counts_as_an_attempt(begun):
    sweep = Sweep(limits=Limits(max_failures=1))
    sweep.open(1)
    name, _ = sweep.begin() if begun else sweep.start()
    sweep.lose(name)
    _, attempt = sweep.begin()
    assert (attempt.number, attempt.epochs) == (2, 0)


def test_a_trial_that_no_process_took_up_is_the_next_one_again():
    sweep = Sweep(slots=2)
    sweep.open(2)
    name, _ = sweep.start()
    sweep.over(name)
    _, attempt = sweep.start()
    assert (attempt.index, attempt.number) == (0, 1)
    assert [type(event) for event in sweep.events] == [Opened, Drawn]


def test_a_failure_that_says_lost_is_tried_again_and_another_one_is_not():
    sweep = Sweep()
    sweep.open(2)
    name, _ = sweep.begin()
    sweep.fail(name, "its gang was lost", lost=True)
    name, attempt = sweep.begin()
    assert (attempt.index, attempt.number) == (0, 2)
    sweep.fail(name, "the loss became infinite")
    record = sweep.trial_table.records[0]
    assert (record.status, record.reason, record.losses) == ("failed", "the loss became infinite", 1)
    assert sweep.begin()[1].index == 1
    assert sweep.ended == [(0, "failed")]


def test_losses_before_a_crash_count():
    sweep = Sweep(limits=Limits(max_failures=1))
    for _ in range(2):
        sweep.open(1)
        sweep.lose(sweep.begin()[0])
    assert sweep.trial_table.records[0].status == "failed"
    # a crash of the driver is none of the trial's
    sweep = Sweep(limits=Limits(max_failures=0))
    for _ in range(3):
        sweep.open(1)
        sweep.step(sweep.begin()[0])
    assert (sweep.trial_table.records[0].losses, sweep.trial_table.records[0].epochs) == (0, 3)


def test_an_epoch_that_took_too_long_is_named():
    sweep = Sweep(limits=Limits(max_failures=0, epoch_timeout=0.05))
    sweep.open(2)
    name, _ = sweep.begin()
    sweep.step(name)
    time.sleep(0.06)
    sweep.lose(name)
    assert sweep.trial_table.records[0].reason == "epoch 2 took longer than 0.05 s (--epoch-timeout)"
    sweep.lose(sweep.begin()[0], "signal 9")
    assert sweep.trial_table.records[1].reason == "the process of the trial was lost (signal 9)"


def failing(seeds):
    """The trials with these numbers, in the order of their first epoch, fail."""
    order = []

    def train(spec, epoch, amount):
        if spec.seed not in order:
            order.append(spec.seed)
        return (
            (amount, "no memory" if order.index(spec.seed) % 2 else "no luck")
            if order.index(spec.seed) in seeds
            else curve(spec, epoch, amount)
        )

    return train


@pytest.mark.parametrize(
    ("failures", "others", "gives_up"), [(9, 0, False), (10, 0, True), (10, 2, True), (10, 3, False), (13, 3, True)]
)
def test_a_sweep_gives_up_when_at_least_ten_and_more_than_the_share_have_failed(failures, others, gives_up):
    sweep = Sweep(limits=Limits(failed_share=0.8), train=failing(range(others, others + failures)), epochs=2)
    sweep.run(others + failures)
    if not gives_up:
        sweep.controller.check()
        return
    sentence = (
        rf"^{failures} of {failures + others} trials have failed, so the sweep has given up: \d+ x no \w+; \d x no \w+$"
    )
    with pytest.raises(ExecutionError, match=sentence):
        sweep.controller.check()


def test_failures_of_earlier_sessions_are_no_reason_to_give_up():
    sweep = Sweep(train=failing(range(10)), epochs=2).run(10)
    with pytest.raises(ExecutionError, match="5 x no luck"):
        sweep.controller.check()
    sweep.open(12)
    sweep.controller.check()


def test_more_trials_are_drawn_when_a_sweep_is_extended():
    long, short = Sweep("asha").run(8), Sweep("asha").run(5)
    with pytest.raises(StopIteration):
        short.open(5).next_attempt("x")
    short.run(8)
    check_journal(short, 8)
    assert outcome(short) == outcome(long)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_trials_that_the_user_has_interrupted_go_on(scheduler):
    sweep, wanted = Sweep(scheduler, slots=3), 8
    for events in (15, 40, 60):
        sweep.open(wanted)
        sweep.finish(until=lambda events=events: len(sweep.lines) >= events)
        running = {attempt.index for attempt, _ in sweep.workers.values()}
        sweep.controller.stopping = True
        # Tune must not wait for another trial
        with pytest.raises(StopIteration):
            sweep.start()
        sweep.controller.close()
        assert running <= {index for index, status in sweep.statuses().items() if status == "interrupted"}
        assert all(sweep.trial_table.records[index].reason == "stopped by the user" for index in running)
    sweep.open(wanted)
    assert "interrupted" not in sweep.statuses().values()
    sweep.finish()
    check_journal(sweep, wanted)


def test_what_ends_while_the_user_stops_is_interrupted_unless_it_was_its_end():
    sweep = Sweep(slots=4, epochs=2)
    sweep.open(4)
    names = [sweep.begin()[0] for _ in range(4)]
    sweep.step(names[0])
    sweep.controller.stopping = True
    sweep.step(names[0])
    sweep.lose(names[1])
    sweep.fail(names[2], "torn down")
    sweep.over(names[3])
    assert list(sweep.statuses().values()) == ["finished", "interrupted", "interrupted", "interrupted"]


def test_a_trial_that_waits_for_another_attempt_is_interrupted_too():
    sweep = Sweep()
    sweep.open(1)
    name, _ = sweep.begin()
    sweep.step(name)
    sweep.lose(name)
    sweep.controller.stopping = True
    sweep.controller.close()
    assert sweep.statuses() == {0: "interrupted"}
    assert sweep.open(1) and sweep.begin()[1].epochs == 1


def test_a_promoted_trial_of_an_earlier_session_that_is_stopped_by_a_limit_is_not_paused():
    sweep = Sweep("asha-promote")
    sweep.open(3)
    sweep.finish(until=lambda: list(sweep.statuses().values()) == ["paused"] * 3)
    sweep.open(3)
    name, attempt = sweep.begin()
    sweep.controller.stopping = True
    sweep.over(name)
    assert sweep.statuses()[attempt.index] == "interrupted"
    sweep.open(3)
    assert sweep.begin()[1].index == attempt.index


def spend_time(sweep):
    """The time budget is over, and had begun before."""
    budget = TimeBudget(0)
    budget.begin()
    sweep.controller.limit_time(budget)


def test_the_time_budget_ends_what_runs_and_what_is_paused():
    sweep = Sweep("asha-promote", slots=2)
    sweep.open(9)
    sweep.finish(until=lambda: list(sweep.statuses().values()).count("paused") >= 2 and len(sweep.workers) == 2)
    spend_time(sweep)
    running = {attempt.index for attempt, _ in sweep.workers.values()}
    drawn = len(sweep.trial_table.records)
    sweep.controller.close()
    assert len(sweep.trial_table.records) == drawn < 9
    for record in sweep.trial_table.records.values():
        assert record.status == "stopped"
        if record.index in running:
            after = f"after epoch {record.epochs}" if record.epochs else "before its first epoch was over"
            assert record.reason == f"by the time budget {after}"
        else:
            why = "the time budget was spent before it could go on"
            assert record.reason == f"paused at the rung of epoch {record.epochs}; {why}"


def test_after_the_time_budget_nothing_is_drawn():
    sweep = Sweep()
    sweep.open(3)
    spend_time(sweep)
    with pytest.raises(StopIteration):
        sweep.start()


def test_the_time_budget_begins_with_the_first_trial_and_leaves_it_its_first_epoch():
    now = [0.0]
    sweep = Sweep(slots=2, epochs=9)
    sweep.open(None)
    sweep.controller.limit_time(TimeBudget(30, clock=lambda: now[0]))
    now[0] = 1000
    # Ray's workers take their time on a busy machine
    (one, _), (two, _) = sweep.start(), sweep.start()
    sweep.controller.on_trial_start(one)
    now[0] = 2000
    assert not sweep.controller.time_is_up
    assert sweep.start() is None
    sweep.controller.on_trial_start(two)
    sweep.step(two)
    assert sweep.controller.time_is_up
    sweep.over(one)
    sweep.over(two)
    sweep.controller.close()
    assert [record.reason for record in sweep.trial_table.records.values()] == [
        "by the time budget before its first epoch was over",
        "by the time budget after epoch 1",
    ]


def test_a_sweep_whose_trials_fail_ends_when_its_time_is_spent():
    now = [0.0]
    sweep = Sweep()
    sweep.open(None)
    sweep.controller.limit_time(TimeBudget(30, clock=lambda: now[0]))
    name, _ = sweep.begin()
    now[0] = 31
    sweep.fail(name, "not today")
    with pytest.raises(StopIteration):
        sweep.start()


@pytest.mark.parametrize("scheduler", ["asha-promote", "hyperband"])
def test_the_last_of_the_time_brings_the_best_trial_to_its_end(scheduler):
    now = [0.0]
    sweep = Sweep(scheduler, epochs=24)
    sweep.open(None)
    sweep.controller.limit_time(TimeBudget(70, clock=lambda: now[0]))

    def pick(names):
        now[0] += 1.0
        return names[0]

    sweep.finish(pick, until=lambda: sweep.controller.time_is_up)
    records = sweep.trial_table.records.values()
    finished = [record for record in records if record.status == "finished"]
    # with a rung of three it takes nine trials until one is promoted twice, and their time is longer than the budget
    assert len(finished) == 1 and len(records) > 3
    if scheduler == "asha-promote":
        # hyperband's brackets finish theirs one after another
        assert finished[0].value == min(record.value for record in records if record.report is not None)
    # what is begun comes to its first rung
    assert all(record.epochs >= 4 for record in records if record.status != "finished")


def test_the_time_before_the_first_trial_of_a_session_is_not_the_budgets():
    sweep = Sweep()
    sweep.open(1)
    spec = sweep.begin()[1].spec
    trial_table = TrialTable(LOSS)
    for event in (Opened(100, None), Drawn(105, 0, spec, {}), Begun(150, 0, 1), Closed(180, "failed", "")):
        trial_table.apply(event)
    # this one came to no trial
    for event in (Opened(300, None), Closed(400, "failed", ""), Opened(500, None), Begun(590, 0, 2), Opened(600, None)):
        trial_table.apply(event)
    assert trial_table.spent == 30


def test_the_time_budget_ends_a_trial_that_waits_for_another_attempt():
    sweep = Sweep()
    sweep.open(1)
    name, _ = sweep.begin()
    sweep.step(name)
    sweep.lose(name)
    spend_time(sweep)
    sweep.controller.close()
    assert sweep.statuses() == {0: "stopped"}


def by_order(values):
    """The trials have these losses, in the order of their first epoch, at all of their epochs."""
    order = []

    def train(spec, _epoch, _amount):
        if spec.seed not in order:
            order.append(spec.seed)
        return 0.0, values[order.index(spec.seed)]

    return train


def test_only_the_files_of_the_best_trials_stay():
    sweep = Sweep(top=2, epochs=2, train=by_order([0.5, 0.4, 0.6, 0.3, "failed", 0.35]))
    kept = []
    sweep.open(6)
    for count in range(1, 7):
        sweep.finish(until=lambda count=count: len(sweep.ended) == count)
        kept.append(set(sweep.files.best))
    assert kept == [{0}, {0, 1}, {0, 1}, {1, 3}, {1, 3}, {3, 5}]
    assert sweep.files.states == {}
    assert sweep.trial_table.best.index == 3


def test_of_a_failed_trial_the_best_epoch_before_counts():
    sweep = Sweep(epochs=3, train=lambda spec, epoch, amount: (amount, 0.1 if epoch == 1 else "failed"))
    sweep.run(2)
    assert list(sweep.statuses().values()) == ["failed", "failed"]
    assert (sweep.trial_table.best.index, sweep.files.best) == (0, {0: 1})


@pytest.mark.parametrize("first", [0, 1])
def test_of_equally_good_trials_the_files_of_the_best_one_stay(first):
    sweep = Sweep(slots=2, epochs=2, train=lambda _spec, _epoch, _amount: (0.0, 0.5))
    sweep.open(2)
    names = [sweep.begin()[0] for _ in range(2)]
    for name in (names[first], names[1 - first]) * 2:
        sweep.step(name)
    assert set(sweep.files.best) == {sweep.trial_table.best.index}


def test_the_best_trial_is_one_whose_weights_are_kept():
    """The disk was full when the first trial had its best epoch, its last one."""
    sweep = Sweep(slots=2, epochs=2)
    controller = sweep.open(2)
    for index, losses in enumerate([(0.5, 0.1), (0.3, 0.4)]):
        name, _ = sweep.begin()
        for epoch, loss in enumerate(losses, start=1):
            best = losses.index(min(losses[:epoch])) + 1
            report = EpochReport(
                epoch=epoch,
                train_loss=0.5,
                validation={LOSS.name: loss},
                learning_rate=0.1,
                seconds=1.0,
                examples_per_second=10.0,
                best_epoch=best,
                best_value=min(losses[:epoch]),
                last=epoch == 2,
            )
            kept = 1
            sweep.files.best[index] = kept
            controller.on_trial_result(name, EpochMessage(report=report, train_seconds=1.0, kept=kept, stored=1))
        sweep.over(name)
    assert sweep.trial_table.best.index == 1
    assert set(sweep.files.best) == {1}


def test_quota_shares_a_part_of_the_budget_among_the_slots():
    assert quota(None, 4) is None
    assert quota(1_000_000, 4) * 4 + HELD_SHARE * 1_000_000 < 1_000_000


def test_the_disk_budget_ends_the_worst_paused_trials():
    # 4.75 trials may wait
    sweep = Sweep("pbt", budget=1000, train=by_order([0.5, 0.9, 0.1, 0.8, 0.7, 0.3, 0.2, 0.6]))
    sweep.open(8)
    sweep.finish(until=lambda: len(sweep.trial_table.records) == 5 and "running" not in sweep.statuses().values())
    assert [index for index, status in sweep.statuses().items() if status == "stopped"] == [1]
    assert sweep.trial_table.records[1].reason == "by the disk budget after epoch 1"
    sweep.finish()
    check_journal(sweep, 8)
    assert sweep.trial_table.best.index == 2
    assert sweep.statuses()[2] == "finished"


@pytest.mark.parametrize("scheduler", ["asha-promote", "hyperband", "pbt"])
@given(seed=st.integers(0, 10**6), slots=st.integers(1, 4), budget=st.integers(100, 2500))
@settings(max_examples=25)
def test_paused_trials_never_hold_more_than_the_disk_budget(scheduler, seed, slots, budget):
    sweep = Sweep(scheduler, slots=slots, budget=budget, limits=Limits(3))
    chaos = Chaos(sweep, seed, 12)
    sweep.open(12)
    while chaos.act():
        waiting = [record for record in sweep.trial_table.records.values() if record.status == "paused"]
        assert len(waiting) <= 1 or sum(record.stored for record in waiting) <= budget * HELD_SHARE
    check_journal(sweep, 12)
    assert sweep.trial_table.best.index in sweep.files.best


def with_slow_takers(epochs=2):
    """A population in which all have come to their end but those that take over weights; these have not begun to.

    It compares after the first epoch only.
    """
    sweep = Sweep("pbt", epochs=2, train=by_order([0.1 * (8 - number) for number in range(8)]))
    sweep.fixed["epochs"] = epochs
    sweep.open(8)
    sweep.finish(until=lambda: list(sweep.statuses().values()) == ["paused"] * 8)
    sweep.slots = 3
    sweep.open(8)
    takers = {}
    while len(sweep.ended) < 6:
        name, attempt = sweep.begin()
        if attempt.donor is None:
            while name in sweep.workers:
                sweep.step(name)
        else:
            takers[name] = attempt
    assert {attempt.index for attempt in takers.values()} == {0, 1}
    donors = {attempt.donor for attempt in takers.values()}
    assert donors <= {6, 7}
    return sweep, takers, donors


def test_files_of_a_donor_stay_until_all_that_take_over_from_it_have_them():
    sweep, takers, donors = with_slow_takers()
    assert set(sweep.files.states) == donors | {0, 1}
    for name in takers:
        sweep.step(name)
    assert sweep.files.owners == {7}
    check_journal(sweep, 8)


def test_what_was_taken_over_is_taken_over_once():
    sweep, takers, _ = with_slow_takers(epochs=4)
    for name in list(takers):
        sweep.step(name)
    # the takers go on, and need no donor any more
    assert (set(sweep.files.states), set(sweep.files.best)) == ({0, 1}, {0, 1, 7})
    for name in list(takers):
        sweep.lose(name)
    for attempt in takers.values():
        name, again = sweep.begin()
        assert (again.index, again.donor, again.epochs) == (attempt.index, None, 2)
        assert again.spec == attempt.spec


def test_files_of_a_donor_stay_over_a_loss_of_the_taker_and_a_crash():
    sweep, takers, donors = with_slow_takers()
    for name in list(takers):
        sweep.lose(name)
    sweep.open(8)
    attempts = dict(sweep.begin() for _ in range(2))
    assert [(attempt.index, attempt.donor) for attempt in attempts.values()] == [
        (attempt.index, attempt.donor) for attempt in takers.values()
    ]
    assert donors <= set(sweep.files.states)
    for name in attempts:
        sweep.step(name)
    assert sweep.files.owners == {7}
    check_journal(sweep, 8)


def test_a_taker_that_fails_needs_its_donor_no_more():
    sweep, takers, _ = with_slow_takers()
    for name in takers:
        sweep.fail(name, "out of memory")
    assert sweep.files.owners == {7}


def test_a_continued_trial_is_told_what_it_takes_over():
    sweep, takers, _ = with_slow_takers()
    continued = [event for event in sweep.events if isinstance(event, Continued) and event.donor is not None]
    for event, attempt in zip(continued, takers.values(), strict=True):
        donor = sweep.trial_table.records[event.donor].spec
        assert (event.index, event.donor, event.spec) == (attempt.index, attempt.donor, attempt.spec)
        assert attempt.spec.learning_rate in [
            pytest.approx(min(max(donor.learning_rate * factor, 0.001), 0.03)) for factor in (0.8, 1.2)
        ]
        assert dataclasses.replace(attempt.spec, learning_rate=donor.learning_rate) == donor


def test_the_best_spec_is_the_one_of_the_best_epoch():
    sweep = Sweep("pbt", train=lambda spec, epoch, _: (0.0, noise(spec.learning_rate, epoch))).run(12)
    specs, best, drawn = {}, {}, {}
    for event in sweep.events:
        match event:
            case Drawn():
                specs[event.index] = drawn[event.index] = event.spec
            case Continued() if event.spec is not None:
                specs[event.index] = event.spec
            case Reported() if event.report.best_epoch == event.report.epoch:
                best[event.index] = specs[event.index]
    records = sweep.trial_table.records
    assert {index: record.best_spec for index, record in records.items()} == best
    assert {index: record.spec for index, record in records.items()} == specs
    assert best not in (specs, drawn)


def test_trouble_is_said_once_not_once_per_trial():
    sweep = Sweep(slots=2)
    controller = sweep.open(2)
    report = EpochReport(
        epoch=1,
        train_loss=0.5,
        validation={LOSS.name: 0.5},
        learning_rate=0.1,
        seconds=1.0,
        examples_per_second=10.0,
        best_epoch=1,
        best_value=0.5,
        last=False,
    )
    for _ in range(2):
        name, attempt = sweep.begin()
        trouble = f"/sweep: trials/{attempt.index}: could not be written (No space left on device)"
        controller.on_trial_result(
            name,
            EpochMessage(report=report, train_seconds=1.0, kept=0, stored=0, trouble=trouble),
        )
    assert sweep.said == ["trial 0: /sweep: trials/0: could not be written (No space left on device)"]


def test_the_listener_hears_of_every_end_once():
    sweep = Sweep("asha", slots=2).run(6)
    assert sorted(sweep.ended) == sorted(sweep.statuses().items())


def test_everything_is_recorded_before_it_counts():
    sweep = Sweep("asha-promote", slots=2, crashes=[25])
    with pytest.raises(CrashError):
        sweep.open(9)
        sweep.finish()
    before = TrialTable(LOSS)
    for event in sweep.events[:-1]:
        before.apply(event)
    assert before.records == sweep.trial_table.records
    assert {type(event) for event in Sweep("asha-promote").run(9).events} == {
        Opened,
        Drawn,
        Begun,
        Reported,
        Paused,
        Continued,
        Ended,
    }
    assert not any(isinstance(event, Lost) for event in sweep.events)


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(seed=st.integers(0, 10**6), crashes=st.sets(st.integers(1, 150), max_size=2))
@settings(max_examples=4)
def test_room_for_other_sweeps_changes_nothing(scheduler, algorithm, seed, crashes):
    _, wanted = uninterrupted(scheduler, algorithm)
    room = SharedRoom(1, seed)
    sweep = Sweep(scheduler, algorithm=algorithm, train=sometimes_failing, patience=3, crashes=crashes, room=room).run(
        14
    )
    check_journal(sweep, 14)
    assert outcome(sweep) == wanted
    # others let a trial pause or end after most of its epochs anyway
    assert scheduler != "none" or any(isinstance(event, Yielded) for event in sweep.events)


@given(seed=st.integers(0, 10**6), slots=st.integers(2, 4))
@settings(max_examples=8)
def test_with_several_slots_trials_of_a_fixed_order_have_the_same_figures(seed, slots):
    wanted = outcome(Sweep(slots=slots).run(12))
    sweep = Sweep(slots=slots, room=SharedRoom(slots, seed)).run(12)
    check_journal(sweep, 12)
    assert outcome(sweep) == wanted
    # those that have made room come before new ones: never are more of them begun than there are slots
    open_trials = set()
    for event in sweep.events:
        if isinstance(event, Begun):
            open_trials.add(event.index)
        elif isinstance(event, Ended):
            open_trials.discard(event.index)
        assert len(open_trials) <= slots


def test_a_trial_makes_room_after_an_epoch_of_which_there_is_a_checkpoint():
    room = SharedRoom(1, 0)
    room.gives_way = lambda index: room.giving.add(index) or True
    sweep = Sweep(slots=1, epochs=6, saves=lambda epoch: epoch in (3, 6), room=room).run(1)
    kinds = [(type(event).__name__, getattr(event, "attempt", None)) for event in sweep.events]
    epoch = ("Reported", None)
    assert kinds == [
        ("Opened", None),
        ("Drawn", None),
        ("Begun", 1),
        *[epoch] * 3,
        ("Yielded", None),
        ("Begun", 2),
        *[epoch] * 3,
        ("Ended", None),
    ]
    assert sweep.trial_table.records[0].losses == 0


def test_a_sweep_without_room_waits_and_ends_with_its_time():
    room, now = SharedRoom(1, 0), [0.0]
    room.gives_way = lambda index: room.giving.add(index) or True
    sweep = Sweep(room=room)
    sweep.open(3)
    sweep.controller.limit_time(TimeBudget(30, clock=lambda: now[0]))
    room.admits = lambda _size: False
    assert sweep.start() is None
    # its time begins with its first trial
    now[0] = 100.0
    assert sweep.start() is None
    room.admits = lambda _size: True
    name, _ = sweep.begin()
    sweep.step(name)
    assert sweep.statuses() == {0: "waiting"}
    room.admits = lambda _size: False
    assert sweep.start() is None
    now[0] = 200.0
    with pytest.raises(StopIteration):
        sweep.start()
    sweep.controller.close()
    record = sweep.trial_table.records[0]
    assert (record.status, record.reason) == ("stopped", "by the time budget after epoch 1")
