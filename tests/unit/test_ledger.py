"""Leases of sweeps that share a cluster, on a simulated clock."""

import dataclasses
import importlib

from orchestrator.runtime.shares.ledger import FOREIGN_SECONDS, LEASE_SECONDS, Ledger
from orchestrator.sweeps.shares import Claim

# of that name the package has the command
queue = importlib.import_module("orchestrator.cli.queue")


class Cluster:
    """So many cores, of which others use some; sweeps have what they are allowed at the next look."""

    def __init__(self, cores):
        self.cores, self.others, self.now, self.limits = float(cores), 0.0, 0.0, {}
        self.ledger, self.claims = Ledger(), {}

    def join(self, name, **other):
        default = {"user": "ann", "queue": "ann", "priority": 0, "share": 1.0, "slot": {"CPU": 1.0}, "most": 100}
        self.claims[name] = Claim(sweep=name, held={"CPU": 0.0}, **{**default, **other})

    def beat(self, seconds=2.0, silent=()):
        """All but the silent ones renew their leases, and take what they get; what each is allowed."""
        self.now += seconds
        used = self.others + sum(claim.held["CPU"] for claim in self.claims.values())
        free = {"CPU": max(0.0, self.cores - used)}
        self.ledger.look(self.now, total={"CPU": self.cores}, free=free, limits=self.limits)
        allowed = {}
        for name, claim in self.claims.items():
            if name not in silent:
                allowed[name] = self.ledger.renew(claim, self.now)
        for name, count in allowed.items():
            claim = self.claims[name]
            running = min(count, claim.most)
            self.claims[name] = dataclasses.replace(claim, running=running, held={"CPU": float(running)})
        return allowed

    def waits(self):
        return {row.sweep: row.waits_for for row in self.ledger.rows(self.now)}


def test_sweeps_share_and_who_is_left_takes_all():
    cluster = Cluster(6)
    cluster.join("a", share=2)
    assert cluster.beat() == {"a": 6}
    cluster.join("b")
    cluster.beat()
    assert cluster.beat() == {"a": 4, "b": 2}
    del cluster.claims["a"]
    cluster.ledger.release("a")
    assert cluster.beat() == {"b": 6}
    cluster.ledger.release("b")
    assert cluster.ledger.is_empty


def test_the_part_of_a_sweep_that_is_killed_returns_when_its_lease_ends():
    cluster = Cluster(6)
    cluster.join("a")
    cluster.join("b")
    cluster.beat()
    assert cluster.beat() == {"a": 3, "b": 3}
    # Ray ends its workers at once
    cluster.claims["a"] = dataclasses.replace(cluster.claims["a"], held={"CPU": 0.0})
    for _ in range(int(LEASE_SECONDS / 2)):
        assert cluster.beat(silent="a") == {"b": 3}
    assert cluster.beat(silent="a") == {"b": 6}
    # one that was only stopped for a while comes back
    assert cluster.beat() == {"a": 3, "b": 3}


def test_what_others_use_is_not_shared_out():
    cluster = Cluster(6)
    cluster.others = 2.0
    cluster.join("a")
    cluster.join("b")
    cluster.beat()
    assert cluster.beat() == {"a": 2, "b": 2}
    cluster.others = 0.0
    assert cluster.beat() == {"a": 3, "b": 3}


def test_others_are_believed_when_they_stay():
    cluster = Cluster(6)
    cluster.join("a", most=1)
    cluster.beat()
    cluster.beat()
    cluster.others = 3.0
    cluster.beat()
    cluster.join("b")
    cluster.ledger.look(cluster.now, total={"CPU": 6.0}, free={"CPU": 2.0}, limits={})
    assert cluster.ledger.renew(cluster.claims["b"], cluster.now) == 5
    cluster.now += FOREIGN_SECONDS + 1
    assert cluster.beat() == {"a": 1, "b": 2}


def test_what_a_sweep_has_just_begun_is_not_taken_for_anothers():
    ledger = Ledger()
    claim = Claim(
        sweep="a", user="", queue="", priority=0, share=1.0, slot={"CPU": 1.0}, most=9, held={"CPU": 0.0}, running=0
    )
    ledger.look(1.0, total={"CPU": 4.0}, free={"CPU": 4.0}, limits={})
    assert ledger.renew(claim, 1.0) == 4
    # its trials have their places, and it has not said so yet
    ledger.look(2.0, total={"CPU": 4.0}, free={"CPU": 0.0}, limits={})
    assert ledger.renew(claim, 2.0) == 4


def test_it_is_said_who_waits_for_what():
    cluster = Cluster(4)
    cluster.join("first")
    cluster.beat()
    assert cluster.waits() == {"first": "its workers to start"}
    cluster.beat()
    cluster.beat()
    assert cluster.waits() == {"first": "more room on the cluster"}
    cluster.join("second", queue="small", most=2)
    cluster.limits = {"small": {"CPU": 1.0}}
    before = dict(cluster.claims)
    cluster.beat()
    # nobody is through with an epoch yet
    cluster.claims = before
    cluster.beat()
    assert cluster.waits() == {
        "first": "gives 1 place back after the next epoch",
        "second": "the end of an epoch of another sweep",
    }
    cluster.beat()
    cluster.beat()
    assert cluster.waits() == {"first": "the end of another sweep", "second": "the limit of the queue small"}
    cluster.join("urgent", priority=1, most=4)
    cluster.beat()
    cluster.beat()
    cluster.beat()
    rows = cluster.ledger.rows(cluster.now)
    assert [(row.sweep, row.running, row.allowed, row.waits_for) for row in rows] == [
        ("urgent", 4, 4, ""),
        ("first", 0, 0, "sweeps of a higher priority"),
        ("second", 0, 0, "sweeps of a higher priority"),
    ]


def test_a_table_says_who_has_the_cluster(capsys):
    cluster = Cluster(4)
    cluster.join("ann-1", share=0.5)
    cluster.join("bob-1", user="bob", queue="few", priority=1)
    cluster.limits = {"few": {"CPU": 1.0}}
    cluster.beat()
    cluster.beat()
    cluster.beat()
    queue._show([row.to_json() for row in cluster.ledger.rows(cluster.now)], {"few": {"CPU": 1.0, "GPU": 0.5}})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "sweep user queue priority share cores gpus trials waits for"
    assert "bob-1 bob few 1 1 1 0 1 of 1 the limit of the queue few" in lines
    assert "ann-1 ann ann 0 0.5 3 0 3 of 3 sweeps of a higher priority" in lines
    assert lines[-1] == "queue few: at most 1 CPU and 0.5 GPU"
    queue._show([], {})
    assert capsys.readouterr().out == "no sweep runs or waits on this cluster\n"
