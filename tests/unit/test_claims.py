"""The lock in an object store: whatever happens in which order, two drivers never write at the same time."""

import random

from greenlet import getcurrent, greenlet
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ExecutionError, LostLockError, StorageError
from orchestrator.journal.claims import BEAT_SECONDS, SILENT_SECONDS, StoreLock


class World:
    """A store in memory and a clock; before every operation of a contender any other one may go on, and time may pass.

    Attributes:
        drivers: who has taken the lock; each has a higher term than the one before.
        written: who wrote, each time with the last one that had taken the lock by then.
    """

    def __init__(self, seed, *, stops, fails=0.0):
        self.choices, self.stops, self.fails = random.Random(seed), stops, fails
        self.time, self.files, self.drivers, self.written, self.refused = 1000.0, {}, [], [], 0

    def run(self, *contenders):
        main, self.wakes = getcurrent(), {}
        for contender in contenders:
            self.wakes[greenlet(contender, main)] = self.time
        while self.wakes:
            self.time = max(self.time, min(self.wakes.values()))
            ready = [one for one, wakes in self.wakes.items() if wakes <= self.time]
            chosen = self.choices.choice(ready)
            chosen.switch()
            if chosen.dead:
                del self.wakes[chosen]

    def sleep(self, seconds):
        me = getcurrent()
        self.wakes[me] = self.time + seconds
        me.parent.switch()

    def now(self):
        return self.time

    def _operation(self):
        stopped = self.choices.random() < self.stops
        self.sleep(self.choices.uniform(0, 3 * SILENT_SECONDS) if stopped else self.choices.choice([0.0, 0.0, 0.1]))
        if self.choices.random() < self.fails:
            raise StorageError("the store does not answer")

    def write(self, name, content):
        self._operation()
        self.files[name] = content, self.time

    def read(self, name):
        self._operation()
        if name not in self.files:
            raise StorageError("gone")
        return self.files[name][0]

    def remove(self, name):
        self._operation()
        self.files.pop(name, None)

    def modified(self):
        self._operation()
        return {name: modified for name, (_, modified) in self.files.items()}

    def contender(self):
        """One that drives a sweep for a while, if it gets the lock, and ends or is killed."""
        lock = StoreLock(self, "digits-1", clock=self, token=f"{self.choices.randrange(2**32):08x}")
        try:
            lock.acquire()
        except (ExecutionError, StorageError):
            self.refused += 1
            return
        self.drivers.append(lock)
        for _ in range(self.choices.randrange(1, 8)):
            self.sleep(self.choices.choice([0.1, 1.0, BEAT_SECONDS]))
            try:
                if self.choices.random() < 0.7:
                    lock.beat()
                self._stop_sometimes()
                lock.check()
            except LostLockError:
                # from now on it writes nothing, and has nothing there
                assert not any(lock._token in name for name in self.files)
                return
            except StorageError:
                continue
            self.written.append((lock, max(self.drivers, key=lambda one: one._term)))
        if self.choices.random() < 0.7:
            lock.release()

    def _stop_sometimes(self):
        if self.choices.random() < self.stops:
            self.sleep(self.choices.uniform(0, 3 * SILENT_SECONDS))


@settings(max_examples=1500)
@given(
    seed=st.integers(0, 2**32),
    stops=st.sampled_from([0.0, 0.05, 0.3]),
    fails=st.sampled_from([0.0, 0.0, 0.1]),
    count=st.integers(2, 4),
)
def test_nobody_writes_after_another_one_has_taken_the_lock(seed, stops, fails, count):
    world = World(seed, stops=stops, fails=fails)
    world.run(*[world.contender] * count)
    assert all(writer is last for writer, last in world.written)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 4))
def test_of_those_that_start_at_the_same_time_exactly_one_gets_the_lock(seed, count):
    world = World(seed, stops=0.0)
    held = []

    def contender():
        lock = StoreLock(world, "digits-1", clock=world, token=f"{world.choices.randrange(2**32):08x}")
        try:
            lock.acquire()
        except ExecutionError:
            return
        held.append(lock)
        world.sleep(SILENT_SECONDS / 2)
        lock.beat()

    world.run(*[contender] * count)
    assert len(held) == 1 and held[0].lost is None


def test_a_driver_that_was_stopped_for_a_minute_leaves_its_successors_claim_alone():
    world = World(0, stops=0.0)

    def first():
        lock = StoreLock(world, "digits-1", clock=world, token=f"{world.choices.randrange(2**32):08x}")
        lock.acquire()
        world.sleep(SILENT_SECONDS + 20)
        try:
            lock.check()
        except LostLockError:
            lock.release()
        else:
            raise AssertionError("it goes on")

    def second():
        world.sleep(SILENT_SECONDS + 10)
        lock = StoreLock(world, "digits-1", clock=world, token=f"{world.choices.randrange(2**32):08x}")
        lock.acquire()
        world.drivers.append(lock)

    world.run(first, second)
    assert list(world.files) == [world.drivers[0]._holder]
