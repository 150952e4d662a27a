"""What is shared out: never more than there is, in the order of asking, and all of it comes back."""

import asyncio
import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.serving.control.allocator import Trimming
from orchestrator.serving.http.admission import Budget, FullError, Memory, Share, most_cells
from orchestrator.serving.http.media_types import BodyForm

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=2), inner, max_size=5)),
    max_leaves=40,
)


def count(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


@given(VALUES)
def test_a_body_holds_no_more_values_than_it_is_taken_for(value):
    assert count(value) <= most_cells(orjson.dumps(value), BodyForm.JSON)


@given(
    st.lists(st.lists(st.text(max_size=3), min_size=2, max_size=2), min_size=1, max_size=9),
    st.sampled_from(",;\t|: "),
    st.sampled_from(["utf-8", "utf-16", "utf-32-be"]),
)
def test_a_csv_body_holds_no_more_cells_than_it_is_taken_for(rows, delimiter, encoding):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    assert 2 * len(rows) <= most_cells(stream.getvalue().encode(encoding, "replace"), BodyForm.CSV)


@given(st.lists(st.tuples(st.integers(1, 15), st.integers(0, 3), st.sampled_from([None, 0, 2])), max_size=20))
def test_a_budget_is_never_overdrawn_and_comes_back_whatever_is_cancelled(requests):
    async def run():
        budget, held, order = Budget(10, 100, 60.0), {}, []

        async def work(number, amount, steps):
            async with budget.taking(amount):
                held[number] = amount
                order.append(number)
                # what is larger than all of it is alone
                assert sum(held.values()) <= 10 or len(held) == 1
                # some are let in that have not come to run yet
                assert budget.taken >= sum(held.values())
                try:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                finally:
                    del held[number]

        async def cut_off(number, amount, steps, after):
            task = asyncio.create_task(work(number, amount, steps))
            if after is not None:
                for _ in range(after):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled() or task.exception() is None

        async with asyncio.timeout(10):
            await asyncio.gather(*(cut_off(number, *request) for number, request in enumerate(requests)))
        assert budget.taken == 0
        if all(after is None for *_, after in requests):
            assert order == sorted(order)

    asyncio.run(run())


def test_who_waits_too_long_or_finds_too_many_waiting_is_told():
    async def run():
        budget = Budget(10, 1, 0.05)
        async with budget.taking(10):
            late = asyncio.create_task(enter(budget))
            await asyncio.sleep(0)
            with pytest.raises(FullError):
                await enter(budget)
            with pytest.raises(FullError):
                await late
        await enter(budget)
        assert budget.taken == 0

    async def enter(budget):
        async with budget.taking(1):
            pass

    asyncio.run(run())


def test_a_single_share_may_be_larger_than_all():
    memory = Memory(10)
    first, second = Share(memory), Share(memory)
    first.add(8)
    first.add(8)
    with pytest.raises(FullError):
        second.add(1)
    first.shrink(6)
    second.add(4)
    assert not second.fits(1)
    first.release()
    first.release()
    second.add(20)
    second.release()
    assert memory.taken == 0


def test_memory_is_given_back_while_there_are_large_requests_and_until_the_last_is_answered():
    now = [0.0]
    trimming = Trimming(20.0, lambda: now[0])
    moments = []
    # large requests until second 12; the last one is answered before second 32
    for second in range(100):
        now[0] = float(second)
        if trimming.is_due(min(second, 12)):
            moments.append(second)
    assert moments == [0, 5, 10, 15, 20, 25, 30, 35]
    now[0] = 200.0
    assert not trimming.is_due(12)
    assert trimming.is_due(13)
