"""The rule by which sweeps share a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sweeps.shares import Claim, Grant, divide, fitting


def claim(sweep, **other):
    default = {"user": "ann", "queue": "ann", "priority": 0, "share": 1.0, "slot": {"CPU": 1.0}, "most": 1000}
    return Claim(sweep=sweep, held={}, **{**default, **other})


def slots(capacity, claims, limits=None):
    return {sweep: grant.slots for sweep, grant in divide(capacity, claims, limits or {}).items()}


def test_one_sweep_takes_all_and_equal_ones_equal_parts():
    assert slots({"CPU": 6}, [claim("a")]) == {"a": 6}
    assert slots({"CPU": 6}, [claim("a"), claim("b")]) == {"a": 3, "b": 3}
    # of three places the first one has two
    assert slots({"CPU": 3}, [claim("a"), claim("b")]) == {"a": 2, "b": 1}
    assert slots({"CPU": 1}, [claim("a"), claim("b")]) == {"a": 1, "b": 0}


def test_shares_are_weights():
    assert slots({"CPU": 6}, [claim("a"), claim("b", share=2)]) == {"a": 2, "b": 4}
    assert slots({"CPU": 6}, [claim("a"), claim("b", share=0.5)]) == {"a": 4, "b": 2}
    assert slots({"CPU": 7}, [claim("a", share=2), claim("b")]) == {"a": 5, "b": 2}


def test_what_a_sweep_has_no_use_for_is_the_others():
    assert divide({"CPU": 6}, [claim("a", most=1), claim("b")], {}) == {"a": Grant(1), "b": Grant(5, "cluster")}


def test_a_higher_priority_comes_first():
    found = divide({"CPU": 6}, [claim("a"), claim("b", priority=1, most=4), claim("c", priority=-1)], {})
    assert found == {"a": Grant(2, "cluster"), "b": Grant(4), "c": Grant(0, "cluster")}


def test_a_queue_has_its_limit_whatever_its_sweeps_want():
    claims = [claim("a", queue="q", priority=9), claim("b", queue="q"), claim("c")]
    found = divide({"CPU": 8}, claims, {"q": {"CPU": 3}})
    assert found == {"a": Grant(3, "queue"), "b": Grant(0, "queue"), "c": Grant(5, "cluster")}
    # of GPUs only
    large = claim("g", queue="q", slot={"CPU": 1.0, "GPU": 0.5})
    assert slots({"CPU": 8, "GPU": 4}, [large], {"q": {"GPU": 1}}) == {"g": 2}


def test_what_is_scarcest_for_a_sweep_counts():
    claims = [claim("cores", slot={"CPU": 1.0}), claim("cards", slot={"CPU": 1.0, "GPU": 1.0})]
    # seven of nine cores, two of three cards
    assert slots({"CPU": 9, "GPU": 3}, claims) == {"cores": 7, "cards": 2}
    assert slots({"CPU": 9}, claims) == {"cores": 9, "cards": 0}
    # tenths do not add up to one exactly
    assert slots({"CPU": 99, "GPU": 1}, [claim("a", slot={"CPU": 1.0, "GPU": 0.1})]) == {"a": 10}


@pytest.mark.parametrize(
    ("slot", "most", "count"),
    [
        ({"CPU": 2.0}, {"CPU": 5}, 2),
        ({"CPU": 2.0, "GPU": 0.1}, {"CPU": 99, "GPU": 0.3}, 3),
        ({"CPU": 2.0}, {"GPU": 1}, None),
        ({"CPU": 2.0}, {}, None),
        ({"CPU": 2.0}, {"CPU": 1}, 0),
    ],
)
def test_slots_within_what_is_named(slot, most, count):
    assert fitting(slot, most) == count


QUEUES = ["p", "q", "r"]
amounts = st.fixed_dictionaries({"CPU": st.integers(0, 30).map(float)}, optional={"GPU": st.integers(0, 6).map(float)})
needs = st.sampled_from([{"CPU": 1.0}, {"CPU": 3.0}, {"CPU": 1.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 0.25}])


@st.composite
def several(draw, slot=needs):
    return [
        claim(
            f"s{number}",
            queue=draw(st.sampled_from(QUEUES)),
            priority=draw(st.integers(-1, 1)),
            share=draw(st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.0])),
            slot=draw(slot),
            most=draw(st.integers(0, 12)),
        )
        for number in range(draw(st.integers(0, 7)))
    ]


def used(claims, found, kind):
    return sum(found[item.sweep].slots * item.slot.get(kind, 0) for item in claims)


@given(amounts, several(), st.dictionaries(st.sampled_from(QUEUES), amounts, max_size=2))
def test_nothing_is_given_twice_and_nothing_is_left_that_somebody_can_use(capacity, claims, limits):
    found = divide(capacity, claims, limits)
    free = {kind: capacity.get(kind, 0) - used(claims, found, kind) for kind in ("CPU", "GPU")}
    assert min(free.values()) >= -1e-6
    left = {}
    for queue, limit in limits.items():
        own = [item for item in claims if item.queue == queue]
        left[queue] = {kind: most - used(own, found, kind) for kind, most in limit.items()}
        assert min(left[queue].values()) >= -1e-6
    for item in claims:
        grant = found[item.sweep]
        assert 0 <= grant.slots <= item.most
        room = all(need <= free[kind] + 1e-6 for kind, need in item.slot.items())
        allowed = all(item.slot.get(kind, 0) <= most + 1e-6 for kind, most in left.get(item.queue, {}).items())
        if grant.slots < item.most:
            assert grant.held_by == ("cluster" if allowed else "queue")
            assert not (room and allowed)
        else:
            assert grant.held_by == ""


@given(amounts, several(slot=st.just({"CPU": 1.0})))
def test_weights_hold_within_a_slot_and_priorities_always(capacity, claims):
    found = divide(capacity, claims, {})
    for one in claims:
        for other in claims:
            if found[other.sweep].slots == other.most:
                continue
            # `other` wants more
            count, least = found[one.sweep].slots, found[other.sweep].slots
            if one.priority < other.priority:
                assert count == 0
            elif one.priority == other.priority and count:
                assert (count - 0.5) / one.share <= (least + 0.5) / other.share + 1e-9


@given(amounts, several(), st.data())
def test_a_sweep_that_leaves_takes_nothing_from_the_others_with_slots_of_one_size(capacity, claims, data):
    same = [claim(item.sweep, priority=item.priority, share=item.share, most=item.most) for item in claims]
    before = slots(capacity, same)
    if same:
        gone = data.draw(st.sampled_from(same))
        after = slots(capacity, [item for item in same if item is not gone])
        assert all(after[sweep] >= before[sweep] for sweep in after)
