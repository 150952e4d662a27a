"""The lease of a sweep on a shared cluster, and the actor behind it, without Ray's processes."""

import time
from types import SimpleNamespace

import pytest

from orchestrator.runtime.shares import actor as actor_module
from orchestrator.runtime.shares import lease as module
from orchestrator.runtime.shares.lease import Lease
from orchestrator.sweeps.shares import Claim


class Handle:
    """An actor's handle: what a method gives is got by `ray.get`."""

    def __init__(self, actor):
        self._actor = actor

    def __getattr__(self, name):
        method = getattr(self._actor, name)
        return SimpleNamespace(remote=lambda *arguments: lambda: method(*arguments))


class GoneError(Exception):
    """What Ray raises of an actor that has ended."""


@pytest.fixture
def actors(monkeypatch):
    """All actors that are made, in the order in which they were."""
    made = []

    def end():
        raise GoneError

    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": 6.0},
        available_resources=lambda: {"CPU": 6.0},
        actor=SimpleNamespace(exit_actor=end),
        get=lambda reference, timeout: reference(),
    )

    def make():
        if not made:
            made.append(actor_module.SharesActor())
        return Handle(made[-1])

    monkeypatch.setattr(actor_module, "ray", ray)
    monkeypatch.setattr(actor_module, "queue_limits", lambda: {"few": {"CPU": 2.0}})
    monkeypatch.setattr(module, "ray", ray)
    monkeypatch.setattr(module, "shares_actor", make)
    monkeypatch.setattr(module, "lost_ray", lambda: None)
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.2)
    return made


def claim(name="a", **other):
    default = {"user": "ann", "queue": "ann", "priority": 0, "share": 1.0, "slot": {"CPU": 1.0}, "most": 9}
    return Claim(sweep=name, held={}, **{**default, **other})


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sweep_has_its_part_as_long_as_its_lease_is_open(actors):
    said = []
    first = Lease("a", claim, said.append)
    first.open()
    assert first.allowed == 6
    second = Lease("b", lambda: claim("b", queue="few"), said.append)
    second.open()
    assert second.allowed == 2
    wait_for(lambda: first.allowed == 4)
    rows = {row["sweep"]: row for row in actors[0].rows()}
    assert (rows["a"]["allowed"], rows["b"]["queue"]) == (4, "few")
    second.close()
    wait_for(lambda: first.allowed == 6)
    first.close()
    assert actors[0].rows() == [] and not first._thread.is_alive()
    assert said == []


def test_when_the_actor_is_lost_another_one_hears_of_the_sweep(actors):
    lease = Lease("a", claim, lambda _sentence: None)
    lease.open()
    actors[0].renew = lambda _claim: (_ for _ in ()).throw(GoneError())
    lost = actors.pop()
    wait_for(lambda: actors and actors[0].rows())
    assert lost is not actors[0] and lease.allowed == 6
    lease.close()


def test_who_cannot_ask_takes_what_is_free_and_says_so_once(actors, monkeypatch):
    def refuse():
        raise GoneError

    said = []
    monkeypatch.setattr(module, "shares_actor", refuse)
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.1)
    lease = Lease("a", claim, said.append)
    assert lease.allowed == 0
    lease.open()
    assert lease.allowed is None
    sentence = "what shares out the cluster cannot be asked (it does not answer), so this sweep takes what is free"
    time.sleep(0.4)
    assert said == [sentence]
    lease.close()


def test_a_sweep_that_waits_says_for_what(actors, monkeypatch):
    monkeypatch.setattr(module, "NOTICE_SECONDS", 0.1)
    said = []
    lease = Lease("a", lambda: claim(slot={"CPU": 7.0}), said.append)
    lease.open()
    wait_for(lambda: said)
    assert said == ["waiting for more room on the cluster; `orchestrator queue` shows who has the cluster"]
    assert (lease.allowed, lease.is_given) == (0, False)
    lease.close()
