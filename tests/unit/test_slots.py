"""What fits on a cluster: trials at once, threads, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import ResourceConfig
from orchestrator.errors import ExecutionError
from orchestrator.sweeps.slots import plan_slots

NODES = [{"CPU": 8, "GPU": 2}]


@pytest.mark.parametrize(
    ("nodes", "resources", "size", "trials", "limit", "count", "threads"),
    [
        ([{"CPU": 2}], {}, 1, None, None, 2, 1),
        ([{"CPU": 8}], {}, 1, 3, None, 3, 2),
        ([{"CPU": 8}], {}, 1, 20, 2, 2, 4),
        ([{"CPU": 8}], {"cpus_per_worker": 4}, 1, 20, None, 2, 4),
        ([{"CPU": 2}, {"CPU": 3}], {"cpus_per_worker": 2}, 1, None, None, 2, 2),
        ([{"CPU": 8, "GPU": 1}], {"gpus_per_worker": 0.5}, 1, None, None, 2, 4),
        ([{"CPU": 8, "GPU": 2}], {"gpus_per_worker": 1}, 1, None, None, 2, 4),
        ([{"CPU": 1, "GPU": 2}], {"gpus_per_worker": 0.25}, 1, None, None, 1, 1),
        ([{"CPU": 2}], {}, 2, 20, None, 1, 1),
        ([{"CPU": 2}, {"CPU": 2}, {"CPU": 2}], {}, 3, 20, None, 2, 1),
        ([{"CPU": 2}, {"CPU": 2}, {"CPU": 2}], {}, 4, 20, None, 1, 1),
        ([{"CPU": 16}], {}, 4, 1, None, 1, 4),
    ],
)
def test_slots_fill_the_cluster(nodes, resources, size, trials, limit, count, threads):
    slots = plan_slots(nodes, ResourceConfig.create(**resources), sizes={"mlp": size}, trials=trials, limit=limit)
    assert (slots.count, slots.threads) == (count, threads)


@given(
    cores=st.lists(st.integers(1, 64), min_size=1, max_size=5),
    each=st.integers(1, 8),
    size=st.integers(1, 5),
    trials=st.one_of(st.none(), st.integers(1, 100)),
)
def test_slots_never_take_more_than_there_is(cores, each, size, trials):
    nodes = [{"CPU": float(count)} for count in cores]
    room = sum(count // each for count in cores)
    try:
        slots = plan_slots(nodes, ResourceConfig(cpus_per_worker=each), sizes={"mlp": size}, trials=trials, limit=None)
    except ExecutionError:
        assert room < size
        return
    assert slots.count * size <= room
    assert slots.threads >= each
    for count in cores:
        assert min(count // each, slots.count * size) * slots.threads <= count or slots.threads == each


@pytest.mark.parametrize(
    ("resources", "sizes", "sentence"),
    [
        ({"gpus_per_worker": 4}, {"mlp": 1}, "a trial needs 4 GPU, the largest node has 2"),
        ({"cpus_per_worker": 16}, {"mlp": 1}, "a trial needs 16 CPU, the largest node has 8"),
        ({"gpus_per_worker": 4}, {"mlp": 2}, "a worker needs 4 GPU, the largest node has 2"),
        ({}, {"mlp": 1, "resnet": 9}, "a trial of resnet needs 9 workers with 1 CPU each, but there is room for 8"),
        ({"gpus_per_worker": 1}, {"mlp": 3}, "3 workers with 1 CPU and 1 GPU each, but there is room for 2"),
    ],
)
def test_what_fits_nowhere_is_refused(resources, sizes, sentence):
    with pytest.raises(ExecutionError, match=sentence):
        plan_slots(NODES, ResourceConfig.create(**resources), sizes=sizes, trials=10, limit=None)
