"""SweepController: decides what runs next and records what happens; knows no Ray, and is rebuilt from its records."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from orchestrator.journal import Begun, Continued, Drawn, Ended, Event, Lost, Opened, Outlook, Paused, Reported, Yielded
from orchestrator.journal.statuses import FINAL, TrialStatus
from orchestrator.search import Continuation, Decision, Proposals, Scheduler
from orchestrator.sweeps.budget import TimeBudget, seconds_of_epochs, seconds_to_end
from orchestrator.sweeps.disk import Disk
from orchestrator.sweeps.limits import Failures, Limits
from orchestrator.sweeps.messages import Attempt, FailureMessage, TrialMessage
from orchestrator.sweeps.room import Room
from orchestrator.sweeps.trial_table import Listener, TrialRecord, TrialTable

# a process that is ended by its epoch timeout is noticed within this time
NOTICE_SECONDS = 30.0
# trials may become slower, when others run beside them
SLOWER = 1.1
NO_TIME = "the time budget was spent before it could go on"


class SweepController:
    """The state of a running sweep. All of it follows from the events that it has recorded.

    Attributes:
        trial_table: what has happened.
        stopping: whether the user asked to stop.
        broken: an error of the controller or its listener, which Tune would swallow; `check` raises it.
    """

    def __init__(
        self,
        *,
        trial_table: TrialTable,
        proposals: Proposals,
        scheduler: Scheduler,
        room: Room,
        sizes: Mapping[str, int],
        limits: Limits,
        disk: Disk,
        record: Callable[[Event], None],
        listener: Listener | None = None,
        notify: Callable[[str], None] = lambda _sentence: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        trial_table: empty.
        proposals: what to try.
        scheduler: what to stop, pause and promote.
        room: what may start.
        sizes: workers of a trial, by architecture.
        limits: when to give up.
        disk: deletes the files of trials that need them no more.
        record: is given every event before it counts.
        listener: is told of every trial that is over.
        notify: is told of troubles.
        alive: raises when what is recorded is lost.
        """
        self.trial_table, self.stopping = trial_table, False
        self.broken: Exception | None = None
        self._proposals, self._scheduler, self._room, self._sizes = proposals, scheduler, room, sizes
        self._limits, self._disk, self._record_outside = limits, disk, record
        self._listener, self._notify, self.alive = listener, notify, alive
        self._queue: deque[int] = deque()
        self._names: dict[str, int] = {}
        self._decisions: dict[int, Decision] = {}
        # those that have a checkpoint and make room for another sweep's
        self._yielding: set[int] = set()
        self._failures: dict[int, FailureMessage] = {}
        self._base_seconds: dict[int, float] = {}
        self._heard_at: dict[int, float] = {}
        self._failed = Failures(limits.failed_share)
        self._troubles: set[str] = set()
        self._budget: TimeBudget | None = None

    # the past

    def restore(self, events: Iterable[Event]) -> None:
        """Takes in what happened in earlier sessions."""
        for event in events:
            self.trial_table.apply(event)
            match event:
                case Drawn():
                    self._proposals.restore(event.point)
                    self._scheduler.drawn(event.index, event.spec)
                case Reported():
                    self._decide(event)
                case Continued():
                    self._decisions.pop(event.index, None)
                    self._scheduler.continued(Continuation(event.index, event.donor, event.spec))
                case Paused():
                    self._tell_search(self.trial_table.records[event.index])
                case Ended() if event.status in FINAL:
                    self._forget(self.trial_table.records[event.index])

    def open(self, trials: int | None, outlook: Outlook | None = None, begun: float | None = None) -> None:
        """A session begins: trials that were running are queued again, or ended if all that was left was to say so."""
        self._record(Opened(time.time(), trials, outlook, begun))
        for index, record in sorted(self.trial_table.records.items()):
            if record.status == TrialStatus.WAITING and not self._conclude(record):
                self._queue.append(index)
        self._disk.tidy(self.trial_table)

    # what Tune asks

    def next_attempt(self, name: str) -> Attempt | None:
        """What to start now, under the name that Tune has for it; None for nothing; raises StopIteration at the end."""
        if self.stopping or (self.is_idle and self.time_is_up):
            raise StopIteration
        waits = not self._queue and self._fill_queue()
        if not self._queue:
            if self.is_idle and not waits:
                for record in list(self.trial_table.records.values()):
                    if record.status == TrialStatus.PAUSED:
                        self._end(record, TrialStatus.STOPPED, self._by_scheduler(record))
                raise StopIteration
            return None
        record = self.trial_table.records[self._queue[0]]
        size = self._sizes[record.spec.architecture]
        if not self._room.admits(size):
            return None
        self._queue.popleft()
        self._names[name] = record.index
        self._yielding.discard(record.index)
        self._room.start(record.index, size)
        self._base_seconds[record.index] = record.train_seconds
        milestones = self._scheduler.milestones(record.index)
        return Attempt(
            index=record.index,
            number=record.attempts + 1,
            spec=record.spec,
            workers=size,
            epochs=record.epochs,
            milestones=milestones,
            donor=record.donor,
            kept=record.kept,
        )

    def on_trial_start(self, name: str) -> None:
        """A process has taken it up."""
        index = self._names[name]
        record = self.trial_table.records[index]
        if record.status != TrialStatus.RUNNING:
            self._heard_at[index] = time.monotonic()
            self._record(Begun(time.time(), index, record.attempts + 1))
            if self._budget is not None:
                self._budget.begin()

    def on_trial_result(self, name: str, message: TrialMessage) -> Decision:
        """An epoch of a trial is over, or it cannot go on.

        Args:
            name: Tune's.
            message: what its worker says.

        Returns:
            What becomes of it; a trial that has come to its end, or cannot go on, is over whatever this says.
        """
        index = self._names[name]
        if isinstance(message, FailureMessage):
            self._failures[index] = message
            return Decision.CONTINUE
        self._heard_at[index] = time.monotonic()
        report = message.report
        donor = self.trial_table.records[index].donor
        event = Reported(
            at=time.time(),
            index=index,
            report=report,
            train_seconds=self._base_seconds[index] + message.train_seconds,
            kept=message.kept,
            stored=message.stored,
            usage=message.usage,
        )
        self._record(event)
        if self._budget is not None:
            self._budget.note_epoch(report.seconds)
        if donor is not None:
            self._disk.tidy(self.trial_table)
        if message.trouble:
            self._notify_once(f"trial {index}: {message.trouble}", key=message.trouble.rpartition("(")[2])
        decision = self._decide(event)
        if decision is not Decision.CONTINUE or report.last or not (message.saved and self._room.gives_way(index)):
            return decision
        self._yielding.add(index)
        return Decision.PAUSE

    def on_trial_complete(self, name: str) -> None:
        """Its process is free: it has ended, or was stopped as its decision says, or by a limit."""
        record = self._release(name)
        taken_up = record.status == TrialStatus.RUNNING
        if not taken_up:
            self._queue.appendleft(record.index)
            return
        failure = self._failures.pop(record.index, None)
        if failure is not None:
            self._decisions.pop(record.index, None)
            self._fail(record, failure.reason, lost=failure.lost)
        elif record.index in self._yielding:
            self._record(Yielded(time.time(), record.index))
            self._queue.append(record.index)
        elif not self._conclude(record):
            self._end_early(record)
        elif record.status == TrialStatus.PAUSED:
            self._make_room_on_disk()

    def on_trial_error(self, name: str, reason: str) -> None:
        """Its process is gone."""
        if name not in self._names:
            return
        self.on_trial_start(name)
        record = self._release(name)
        self._decisions.pop(record.index, None)
        self._failures.pop(record.index, None)
        self._fail(record, f"the process of the trial was lost ({reason})", lost=True)

    def close(self) -> None:
        """Tune has come to its end: what is still running was stopped by the user or by the time budget."""
        for record in self.trial_table.records.values():
            if record.status == TrialStatus.RUNNING or (record.status == TrialStatus.WAITING and record.attempts > 0):
                self._end_early(record)
            elif self._is_spent and not self.stopping and record.status == TrialStatus.PAUSED:
                self._end(record, TrialStatus.STOPPED, f"paused at the rung of epoch {record.epochs}; {NO_TIME}")

    # limits

    def limit_time(self, budget: TimeBudget) -> None:
        """When it is spent nothing goes on, but one trial always comes to the end of its first epoch."""
        self._budget = budget

    def check(self) -> None:
        """Whether it makes sense to go on.

        Raises:
            ExecutionError: too many trials have failed; says why they did.
            StorageError: the storage, or the right to write there, is lost.
            Exception: what a listener has raised, or what went wrong here.
        """
        self.alive()
        if self.broken is not None:
            raise self.broken
        self._failed.check()

    @property
    def time_is_up(self) -> bool:
        """Whether the time budget ends the search now: it is spent, and there is a result."""
        return self._is_spent and self.trial_table.reports > 0

    @property
    def _is_spent(self) -> bool:
        return self._budget is not None and self._budget.is_spent

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not self._names

    @property
    def _can_draw(self) -> bool:
        wanted = self.trial_table.wanted
        return not self._is_spent and not self._finishing and (wanted is None or self._proposals.count < wanted)

    @property
    def _finishing(self) -> bool:
        """Whether the time that is left is just enough to end the best trials, or too short for a new one's start."""
        if self._budget is None or self._budget.is_spent or not self.trial_table.reports:
            return False
        table = self.trial_table
        best = heapq.nsmallest(max(1, len(self._names)), table.records.values(), key=table.rank)
        first = min(self._scheduler.milestones(best[0].index), default=1)
        # what runs now may hold up the best until it comes to a rung
        until_rung = seconds_of_epochs(table.records.values(), first)
        return self._budget.left <= until_rung + SLOWER * seconds_to_end(best)

    def _fill_queue(self) -> bool:
        """A paused trial that is promoted, or else a new one, if it may start; whether there is one that may not."""
        chosen = self._scheduler.choose(drawing=self._can_draw, idle=self.is_idle, finishing=self._finishing)
        if chosen is not None:
            spec = chosen.spec or self.trial_table.records[chosen.index].spec
            if not self._room.admits(self._sizes[spec.architecture]):
                return True
            self._record(Continued(time.time(), chosen.index, chosen.donor, chosen.spec))
            self._scheduler.continued(chosen)
            self._decisions.pop(chosen.index, None)
            self._queue.append(chosen.index)
        elif self._can_draw:
            if not self._room.admits(min(self._sizes.values())):
                return True
            drawn = self._proposals.draw()
            self._record(Drawn(time.time(), drawn.index, drawn.spec, drawn.point))
            self._scheduler.drawn(drawn.index, drawn.spec)
            self._queue.append(drawn.index)
        return False

    def _release(self, name: str) -> TrialRecord:
        """The trial of an attempt that has come to its end; its room is free."""
        index = self._names.pop(name)
        self._room.end(index)
        self._base_seconds.pop(index, None)
        return self.trial_table.records[index]

    def _conclude(self, record: TrialRecord) -> bool:
        """Ends or pauses a trial as its last epoch or its decision says; False if neither says anything."""
        decision = self._decisions.pop(record.index, None)
        if record.report is not None and record.report.last:
            self._end(record, TrialStatus.FINISHED, "")
        elif decision is Decision.STOP:
            self._end(record, TrialStatus.STOPPED, self._by_scheduler(record))
        elif decision is Decision.PAUSE:
            self._pause(record)
        else:
            return False
        return True

    def _fail(self, record: TrialRecord, reason: str, *, lost: bool) -> None:
        timeout = self._limits.epoch_timeout
        silent = time.monotonic() - self._heard_at.get(record.index, time.monotonic())
        if lost and timeout is not None and timeout <= silent < timeout + NOTICE_SECONDS:
            reason = f"epoch {record.epochs + 1} took longer than {timeout:g} s (--epoch-timeout)"
        if self.stopping:
            self._end_early(record)
        elif not lost:
            self._end(record, TrialStatus.FAILED, reason)
        elif record.losses < self._limits.max_failures:
            self._record(Lost(time.time(), record.index, reason))
            self._queue.append(record.index)
            self._notify_once(
                f"trial {record.index} goes on from its last checkpoint: {reason}",
                key=f"{record.index} {record.losses}",
            )
        else:
            times = "" if record.losses == 0 else f" (tried {record.attempts} times)"
            self._end(record, TrialStatus.FAILED, f"{reason}{times}")

    def _end_early(self, record: TrialRecord) -> None:
        if self.stopping or not self._is_spent:
            self._end(
                record, TrialStatus.INTERRUPTED, "stopped by the user" if self.stopping else "the sweep ended before"
            )
        else:
            self._end(record, TrialStatus.STOPPED, f"by the time budget {_after(record)}")

    def _end(self, record: TrialRecord, status: TrialStatus, reason: str) -> None:
        self._record(Ended(time.time(), record.index, status, reason))
        if status in FINAL:
            self._failed.note_end(reason if status == TrialStatus.FAILED else None)
            self._forget(record)
            self._disk.tidy(self.trial_table)
        if self._listener is not None:
            self._listener(record, self.trial_table)

    def _forget(self, record: TrialRecord) -> None:
        """The search learns of the end of a trial, and nothing goes on with it."""
        self._decisions.pop(record.index, None)
        self._scheduler.ended(record.index)
        self._tell_search(record)

    def _pause(self, record: TrialRecord) -> None:
        self._record(Paused(time.time(), record.index))
        self._tell_search(record)

    def _tell_search(self, record: TrialRecord) -> None:
        """The first result counts: at the first rung all trials are compared after as many epochs."""
        self._proposals.tell(record.index, None if record.status == TrialStatus.FAILED else record.value)

    def _make_room_on_disk(self) -> None:
        paused = [record for record in self.trial_table.records.values() if record.status == TrialStatus.PAUSED]
        for record in self._disk.too_many(self.trial_table, paused):
            self._end(record, TrialStatus.STOPPED, f"by the disk budget after epoch {record.epochs}")

    def _by_scheduler(self, record: TrialRecord) -> str:
        return f"by the scheduler after epoch {record.epochs}"

    def _decide(self, event: Reported) -> Decision:
        if event.report.last:
            return Decision.CONTINUE
        decision = self._decisions[event.index] = self._scheduler.observe(self.trial_table.observation(event))
        if self._scheduler.informs(event.index, event.report.epoch):
            self._tell_search(self.trial_table.records[event.index])
        return decision

    def _notify_once(self, sentence: str, key: str) -> None:
        """Says something once, not once per trial."""
        if key not in self._troubles:
            self._troubles.add(key)
            self._notify(sentence)

    def _record(self, event: Event) -> None:
        self._record_outside(event)
        self.trial_table.apply(event)


def _after(record: TrialRecord) -> str:
    return f"after epoch {record.epochs}" if record.epochs else "before its first epoch was over"
