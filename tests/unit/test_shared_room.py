"""The room of a sweep that shares its cluster: it keeps to its lease, and gives back what is too much."""

from types import SimpleNamespace

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.utils.object_cache import _ObjectCache

from orchestrator.config import ResourceConfig, SweepConfig
from orchestrator.errors import UsageError
from orchestrator.runtime.tune import adapters
from orchestrator.runtime.tune import room as module
from orchestrator.runtime.tune.room import ClusterRoom
from orchestrator.sweeps.slots import needs_of, own_limit

CORES = 6


class Nodes:
    """One node, of which others use some cores."""

    def __init__(self):
        self.free = float(CORES)

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": float(CORES)}}]

    def cluster_resources(self):
        return {"CPU": float(CORES)}

    def available_resources(self):
        return {"CPU": self.free}


@pytest.fixture
def nodes(monkeypatch):
    found = Nodes()
    monkeypatch.setattr(module, "ray", found)
    monkeypatch.setattr(module, "REFRESH_SECONDS", -1.0)
    return found


def shared_room(allowed, *, limit=None, cores=1, is_given=False):
    resources = ResourceConfig(cpus_per_worker=cores)
    room = ClusterRoom(resources, limit, None)
    lease = SimpleNamespace(allowed=allowed, is_given=is_given)
    room.join(lease, needs_of(resources, 1, 0))
    return room, lease


def fill(room, nodes):
    """Starts what it admits; the numbers of all that run."""
    index = len(room._running)
    while room.admits(1):
        room.start(index, 1)
        nodes.free -= room._resources.cpus_per_worker
        index += 1
    return list(room._running)


def test_it_admits_as_many_as_the_lease_allows(nodes):
    room, lease = shared_room(0)
    assert fill(room, nodes) == []
    lease.allowed = 2
    assert fill(room, nodes) == [0, 1]
    lease.allowed = None
    assert len(fill(room, nodes)) == CORES
    room.leave()
    assert not room.admits(1)


def test_trials_that_are_too_many_give_way_each_once(nodes):
    room, lease = shared_room(4)
    fill(room, nodes)
    assert not room.gives_way(0)
    lease.allowed = 2
    assert [room.gives_way(index) for index in (1, 0, 2, 3)] == [True, True, False, False]
    room.end(1)
    room.end(0)
    assert not room.gives_way(2)
    assert not room.admits(1)
    lease.allowed = 0
    assert room.gives_way(3)
    room.leave()
    assert not room.gives_way(2)


def test_the_process_that_waits_for_a_trial_makes_room_too(nodes):
    room, lease = shared_room(2)
    fill(room, nodes)
    room.end(0)
    assert room.held() == {"CPU": 2.0}
    assert not room.gives_idle_back()
    lease.allowed = 1
    assert room.gives_idle_back()
    assert room.held() == {"CPU": 1.0}
    assert not room.gives_idle_back()


def test_it_says_how_many_trials_it_has_use_for(nodes):
    room, lease = shared_room(2, cores=2)
    # nobody knows yet
    assert room.useful(1) == 3
    fill(room, nodes)
    assert (room.running, room.useful(1)) == (2, 3)
    # nothing was asked for: two are enough, also when one of them is between two trials
    assert room.useful(1) == 2
    room.end(0)
    assert room.useful(1) == 2
    assert room.useful(1) == 1
    lease.allowed = 1
    assert not room.admits(1)
    assert room.useful(1) == 3


def test_who_wants_no_more_than_its_own_limit_leaves_the_rest(nodes):
    room, _ = shared_room(6, limit=2)
    fill(room, nodes)
    assert room.useful(1) == 2
    assert room.useful(1) == 2


def test_the_first_trial_does_not_stand_in_line_for_what_others_are_about_to_give(nodes):
    nodes.free = 0.0
    room, lease = shared_room(2, is_given=True)
    assert not room.admits(1)
    lease.is_given = False
    assert room.admits(1)


def limit(**options):
    config = SweepConfig.create(data="sklearn:iris", **options)
    return own_limit(config, {"mlp": 1, "resnet": 2}, 0)


def test_own_limits_are_counted_in_trials():
    assert limit() is None
    assert limit(max_cores=5) == 5
    assert limit(max_cores=5, resources={"cpus_per_worker": 2}) == 2
    assert limit(max_cores=5, concurrency=3) == 3
    assert limit(max_gpus=1.5) is None
    with pytest.raises(UsageError, match=r"--max-cores 1: a trial needs 2 CPU; give at least as many"):
        limit(max_cores=1)
    with pytest.raises(UsageError, match=r"--max-gpus 1: a trial needs 2 GPU"):
        limit(max_gpus=1, resources={"gpus_per_worker": 1})


def test_own_limits_hold_for_trials_of_different_sizes_without_others(nodes):
    room = ClusterRoom(ResourceConfig(), None, None, 0, {"CPU": 3.0})
    assert room.admits(2)
    room.start(0, 2)
    assert not room.admits(2)
    assert room.admits(1)


class Process:
    """One of those that Tune keeps for the next trial."""

    def set_on_stop(self, _call):
        pass

    set_on_error = set_on_stop


def test_processes_wait_for_trials_until_one_of_another_size_is_waited_for():
    cache = adapters.WaitingActors(may_keep_one=True)
    assert all(cache.cache_object("one core", number) for number in range(3))
    assert list(cache.flush_cached_objects()) == []
    # one trial is waited for: the others may be soon
    cache.increase_max("one core")
    assert list(cache.flush_cached_objects()) == []
    cache.increase_max("two cores")
    assert not cache.cache_object("one core", 3)
    assert list(cache.flush_cached_objects()) == [0, 1]
    cache.decrease_max("two cores")
    assert cache.cache_object("one core", 4)
    assert cache.pop_cached_object("one core") == 2
    assert list(cache.flush_cached_objects(force_all=True)) == [4]
    assert cache.num_cached_objects == 0


def test_tune_gives_the_process_back_that_it_keeps_and_goes_on_while_nothing_may_run(monkeypatch):
    monkeypatch.setattr(adapters, "IDLE_SECONDS", 0.01)
    asked, removed, answers = [], [], iter([False, True, False])

    def remove(tracked_actor):
        removed.append(tracked_actor)

    tune = SimpleNamespace(
        _search_alg=SimpleNamespace(is_finished=lambda: False, next_trial=lambda: asked.append(1)),
        _staged_trials=set(),
        _actor_cache=_ObjectCache(may_keep_one=True),
        _remove_actor=remove,
        is_finished=lambda: False,
    )
    kept = Process()
    assert tune._actor_cache.cache_object("trial", kept)
    shared = SimpleNamespace(gives_idle_back=lambda: next(answers))
    before = TuneController._update_trial_queue
    with adapters.idle_places_are_lent(shared, SimpleNamespace(is_idle=True)):
        TuneController._cleanup_cached_actors(tune, force_all=False)
        assert removed == []
        TuneController._cleanup_cached_actors(tune, force_all=False)
        assert removed == [kept]
        # it would ask for 10 minutes
        assert TuneController._update_trial_queue(tune, blocking=True) is False
        assert asked == [1]
        TuneController._cleanup_cached_actors(tune, force_all=True)
    assert TuneController._update_trial_queue is before
