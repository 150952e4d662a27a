"""What is said when Ray cannot be started, is lost, or has not started what a trial waits for."""

import errno
import os

import pytest
import ray
from ray._private import services

from orchestrator.cluster import ray_session, usable_cores
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError
from orchestrator.runtime.assembly import Origin
from orchestrator.storage import Storage


def test_a_ray_whose_processes_end_while_it_starts_says_what_to_do(monkeypatch):
    def no_node(*_arguments):
        raise RuntimeError("the node is not there")

    # Ray's start up to the place at which it waits for its own node, of which there is no process
    monkeypatch.setattr(services, "get_node", no_node)
    monkeypatch.setattr(ray, "init", lambda **_options: services.get_node("127.0.0.1:1", "node"))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    said = []
    with pytest.raises(ExecutionError) as caught, ray_session(notify=said.append):
        raise AssertionError
    assert [sentence for sentence in said if "is started again" in sentence]
    assert str(caught.value).startswith(
        "Ray could not be started on this machine in time: its process raylet has ended, as it does when what it needs "
        "takes too long to start; the machine is busy (load "
    )
    assert str(caught.value).endswith(
        "try again when less is running; if that does not help, `orchestrator doctor` checks what it needs"
    )


def test_a_machine_whose_programs_cannot_reach_each_other_is_told_so_at_once(monkeypatch):
    def away(*_, **__):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", away)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    said = r"\(Network is unreachable\); `ip link set lo up` mends it"
    with pytest.raises(ExecutionError, match=said), ray_session():
        raise AssertionError


@pytest.mark.parametrize(("ours", "quota", "found"), [(8, 8, None), (3, 8, 3), (3, 2, 2)])
def test_a_ray_of_ours_counts_the_cores_that_its_process_may_use(monkeypatch, ours, quota, found):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(ours)))
    monkeypatch.setattr("ray._private.utils.get_num_cpus", lambda **_options: quota)
    assert usable_cores() == found


@pytest.mark.parametrize("passing", [False, True])
def test_what_to_do_when_a_sweep_is_broken_off_follows_from_whether_it_is_kept(tmp_path, passing):
    config = SweepConfig.create(data="sklearn:iris")
    origin = Origin(id="iris-1", storage=Storage.at(str(tmp_path)), config=config, table=None, passing=passing)
    assert ("orchestrator resume iris-1" in origin.next_step) is not passing
    assert ("nothing is kept of it, so start it again" in origin.next_step) is passing
