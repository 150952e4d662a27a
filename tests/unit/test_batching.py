"""Batches: nothing waits for others when the model is free, everything is answered once and with its own rows."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.inputs import Inputs
from orchestrator.serving.inference.batching import Batcher, OverloadedError


class Model:
    """Doubles the first column; remembers its batches. `seconds` is what it takes, and what it says that it takes."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.batches = []
        self.threads = set()

    def __call__(self, inputs):
        numeric = inputs["numeric"]
        self.batches.append(len(numeric))
        self.threads.add(threading.current_thread().name)
        if self.seconds:
            time.sleep(self.seconds)
        return numeric[:, :1] * 2

    def batcher(self, executor, **limits):
        self.observed = []
        return Batcher(
            self,
            lambda _rows: self.seconds,
            executor=executor,
            max_rows=limits.get("max_rows", 1000),
            max_waiting=limits.get("max_waiting", 1000),
            observe=lambda *figures: self.observed.append(figures[:2]),
        )


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(1, thread_name_prefix="other") as executor:
        yield executor


def rows(*values):
    numeric = np.array(values, np.float32).reshape(-1, 1)
    return Inputs({"numeric": numeric, "categorical": np.empty((len(values), 0), np.int64)})


def test_requests_that_arrived_together_are_one_batch_in_the_same_thread(executor):
    model = Model()

    async def ask():
        batcher = model.batcher(executor)
        futures = [batcher.submit(rows(value, value + 0.5)) for value in range(5)]
        return [(await future).ravel().tolist() for future in futures]

    assert asyncio.run(ask()) == [[2 * value, 2 * value + 1] for value in range(5)]
    assert model.batches == [10]
    assert model.observed == [(5, 10)]
    assert model.threads == {threading.main_thread().name}


def test_a_single_request_is_computed_in_the_next_turn_of_the_loop(executor):
    model = Model()

    async def ask():
        future = model.batcher(executor).submit(rows(1))
        turns = 0
        while not future.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(ask()) == 1


def test_what_arrives_while_a_slow_model_computes_is_the_next_batch(executor):
    model = Model(seconds=1.0)

    async def ask():
        batcher = model.batcher(executor)
        first = batcher.submit(rows(1))
        await asyncio.sleep(0.01)
        assert batcher.stuck_for() > 0
        later = [batcher.submit(rows(value)) for value in (2, 3, 4)]
        assert batcher.length == 3
        return [float((await future)[0, 0]) for future in (first, *later)]

    assert asyncio.run(ask()) == [2, 4, 6, 8]
    assert model.batches == [1, 3]
    assert all(name.startswith("other") for name in model.threads)


def test_a_batch_has_no_more_rows_than_allowed_unless_one_request_has(executor):
    model = Model()

    async def ask():
        batcher = model.batcher(executor, max_rows=3)
        futures = [batcher.submit(rows(*range(count))) for count in (2, 1, 2, 5, 1)]
        return [len(await future) for future in futures]

    assert asyncio.run(ask()) == [2, 1, 2, 5, 1]
    assert model.batches == [3, 2, 5, 1]


def test_a_full_queue_says_when_to_come_back(executor):
    model = Model(seconds=1.5)

    async def ask():
        batcher = model.batcher(executor, max_waiting=2)
        model.seconds, futures = 0.01, []
        futures = [batcher.submit(rows(1)), batcher.submit(rows(2))]
        model.seconds = 1.5
        with pytest.raises(OverloadedError) as caught:
            batcher.submit(rows(3))
        model.seconds = 0.01
        await asyncio.gather(*futures)
        return caught.value.retry_after

    assert asyncio.run(ask()) == 2


def test_a_request_that_is_given_up_is_not_computed(executor):
    model = Model()

    async def ask():
        batcher = model.batcher(executor)
        given_up, kept = batcher.submit(rows(1, 2, 3)), batcher.submit(rows(4))
        given_up.cancel()
        return float((await kept)[0, 0])

    assert asyncio.run(ask()) == 8
    assert model.batches == [1]


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_an_error_reaches_those_who_asked_and_the_next_are_answered(executor, seconds):
    model = Model(seconds)
    batcher = None

    def broken(inputs):
        if inputs["numeric"][0, 0] < 0:
            raise RuntimeError("no")
        return model(inputs)

    async def ask():
        batcher = Batcher(
            broken, lambda _: seconds, executor=executor, max_rows=9, max_waiting=9, observe=lambda *_: None
        )
        with pytest.raises(RuntimeError, match="no"):
            await batcher.submit(rows(-1))
        return float((await batcher.submit(rows(5)))[0, 0])

    assert asyncio.run(ask()) == 10
    assert batcher is None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=4), st.booleans()), max_size=30),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.0021]),
)
def test_every_request_gets_the_answers_to_its_own_rows(requests, max_rows, seconds):
    model = Model(seconds)

    async def ask(executor):
        batcher = model.batcher(executor, max_rows=max_rows)
        futures = []
        for values, pause in requests:
            futures.append(batcher.submit(rows(*values)))
            if pause:
                await asyncio.sleep(0)
        return [(await future).ravel().tolist() for future in futures]

    with ThreadPoolExecutor(1) as executor:
        answers = asyncio.run(ask(executor))
    assert answers == [[2 * value for value in values] for values, _ in requests]
    assert sum(model.batches) == sum(len(values) for values, _ in requests)
