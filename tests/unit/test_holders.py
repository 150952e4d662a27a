"""Who has the cores that a sweep waits for."""

from orchestrator.runtime.holders import Actor, holders, is_starting

NAMES = {"01": "the sweep iris-1", "02": "the sweep adult-2", "03": "`python -m orchestrator deploy models:/adult/1`"}
OWN = [Actor("a", "01", "TrialActor"), Actor("b", "01", "TrainController"), Actor("c", "01", "Holder")]


def test_workers_of_ones_own_are_starting_and_nobody_holds_their_cores():
    assert is_starting(OWN[:1], (), "01", gangs=False)
    assert not is_starting(OWN[:1], (), "02", gangs=False)
    assert not is_starting(OWN[2:], ("c",), "01", gangs=False)
    assert holders(OWN[:2], (), "01", NAMES) == ""


def test_of_a_gang_only_its_workers_have_a_place():
    assert not is_starting(OWN[:2], (), "01", gangs=True)
    assert is_starting([Actor("d", "01", "RayTrainWorker")], (), "01", gangs=True)


def test_others_that_hold_cores_are_named():
    others = [
        Actor("e", "02", "TrialActor"),
        Actor("f", "02", "TrialActor"),
        Actor("g", "03", "ServeReplica:endpoint:endpoint"),
        Actor("h", "04", "Thing"),
        Actor("i", "05", "JobSupervisor"),
    ]
    assert holders([*OWN, *others], ("c",), "01", NAMES) == (
        "held by other work of this program, the sweep adult-2, "
        "an endpoint of `python -m orchestrator deploy models:/adult/1`, 1 more"
    )
