"""The rendezvous between trials and gangs, without Ray: who gets which trial, and what becomes of lost workers."""

import asyncio

import pytest

from orchestrator.runtime.gangs import rendezvous
from orchestrator.runtime.gangs.rendezvous import LOST, GangAssignment, Rendezvous
from orchestrator.sweeps.messages import Attempt, EpochMessage, FailureMessage
from orchestrator.training import EpochReport, TrialSpec

EPOCHS = 3


def assignment(index, size):
    return GangAssignment(
        Attempt(index=index, number=1, spec=TrialSpec(architecture="mlp", settings={}), workers=size), None
    )


def done(epoch):
    report = EpochReport(
        epoch=epoch,
        train_loss=0.5,
        validation={},
        learning_rate=0.1,
        seconds=1.0,
        examples_per_second=10.0,
        best_epoch=epoch,
        best_value=0.5,
        last=epoch == EPOCHS,
    )
    return EpochMessage(report=report, train_seconds=1.0, kept=0, stored=0)


async def settle():
    """Lets everybody who can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def worker(board, gang, generation, rank, size, seen, stop_after=None):
    """A rank that agrees with rank 0 by way of `seen`, as real ones do through their process group."""
    await board.join(gang, generation, rank, f"{generation}-{rank}")
    while (assignment := await board.next_attempt(gang, generation, rank)) is not None:
        index = assignment.attempt.index
        seen.append((gang, generation, rank, index))
        if rank == 0:
            for epoch in range(1, EPOCHS + 1):
                if epoch == stop_after:
                    return
                if not await board.report(gang, generation, index, done(epoch)):
                    break


async def start(board, gang, size, seen, generation="first", **options):
    if generation == "first":
        await board.add(gang, size)
    tasks = [asyncio.create_task(worker(board, gang, generation, rank, size, seen, **options)) for rank in range(size)]
    await settle()
    return tasks


async def train(board, index, size):
    """What GangTrial does, to the end of the trial."""
    await board.begin(assignment(index, size))
    reports = []
    while not reports or not reports[-1].is_last:
        reports.append(await board.advance(index, go_on=bool(reports)))
    await board.end(index)
    await settle()
    return reports


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 10))


def test_a_gang_trains_one_trial_after_another():
    async def scenario():
        board, seen = Rendezvous(), []
        tasks = await start(board, "a", 2, seen)
        for index in range(3):
            reports = await train(board, index, 2)
            assert [report.report.epoch for report in reports] == [1, 2, 3]
        assert sorted(seen) == [("a", "first", rank, index) for rank in (0, 1) for index in (0, 1, 2)]
        await board.dismiss("a")
        await asyncio.gather(*tasks)

    run(scenario())


def test_trials_wait_for_a_gang_of_their_size_in_the_order_of_their_begin():
    async def scenario():
        board, seen = Rendezvous(), []
        trials = [asyncio.create_task(train(board, index, size)) for index, size in enumerate([2, 2, 3])]
        await settle()
        assert not seen
        await start(board, "three", 3, seen)
        await start(board, "two", 2, seen)
        await asyncio.gather(*trials)
        order = [(gang, index) for gang, _, rank, index in seen if rank == 0]
        assert order == [("three", 2), ("two", 0), ("two", 1)]

    run(scenario())


def test_a_stopped_trial_frees_its_gang_when_all_workers_are_back():
    async def scenario():
        board, seen = Rendezvous(), []
        await start(board, "a", 2, seen)
        await board.begin(assignment(0, 2))
        assert (await board.advance(0, go_on=False)).report.epoch == 1
        assert (await board.state())["a"] == (2, True, False)
        await board.end(0)
        # at once, also before its workers are back
        assert (await board.state())["a"] == (2, True, True)
        await settle()
        assert len(await train(board, 1, 2)) == EPOCHS

    run(scenario())


def test_an_ended_trial_that_no_worker_took_yet_does_not_block_the_gang():
    async def scenario():
        board, seen = Rendezvous(), []
        await board.add("a", 1)
        await board.begin(assignment(0, 1))
        await board.end(0)
        await start(board, "a", 1, seen, generation="second")
        assert len(await train(board, 1, 1)) == EPOCHS

    run(scenario())


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_trial_is_lost_with_its_workers_and_can_begin_again(epochs):
    async def scenario():
        board, seen = Rendezvous(), []
        await start(board, "a", 2, seen, stop_after=epochs + 1)
        trial = asyncio.create_task(train(board, 0, 2))
        await settle()
        await start(board, "a", 2, seen, generation="second")
        reports = await trial
        assert reports[-1] == FailureMessage(LOST, lost=True)
        assert len(reports) == epochs + 1
        assert len(await train(board, 0, 2)) == EPOCHS

    run(scenario())


def test_the_first_reason_of_a_failure_counts():
    async def scenario():
        board = Rendezvous()
        await board.add("a", 2)
        for rank in (0, 1):
            await board.join("a", "first", rank, rank)
        waiting = [asyncio.create_task(board.next_attempt("a", "first", rank)) for rank in (0, 1)]
        await settle()
        await board.begin(assignment(0, 2))
        assert await asyncio.gather(*waiting) == [assignment(0, 2)] * 2
        assert not await board.report("a", "first", 0, FailureMessage("not today"))
        assert not await board.report("a", "first", 0, FailureMessage("connection closed"))
        assert (await board.advance(0, go_on=False)).reason == "not today"

    run(scenario())


async def lose_a_worker(board):
    """A gang of two whose second worker dies in a trial; what the trial hears in the end."""
    await board.add("a", 2)
    for rank in (0, 1):
        await board.join("a", "first", rank, rank)
    waiting = [asyncio.create_task(board.next_attempt("a", "first", rank)) for rank in (0, 1)]
    await settle()
    await board.begin(assignment(0, 2))
    await asyncio.gather(*waiting)
    return asyncio.create_task(board.advance(0, go_on=False))


@pytest.mark.parametrize("peer_is_first", [True, False])
def test_a_lost_worker_has_its_cause_whoever_notices_first(peer_is_first):
    async def scenario():
        board = Rendezvous()
        heard = await lose_a_worker(board)
        tell = [
            lambda: board.report("a", "first", 0, FailureMessage(LOST, lost=True)),
            lambda: board.explain("a", "it ended with exit code 3"),
        ]
        for told in tell if peer_is_first else reversed(tell):
            await told()
            await settle()
        await board.explain("a", "again")
        assert await heard == FailureMessage(f"{LOST} (it ended with exit code 3)", lost=True)

    run(scenario())


def test_a_lost_worker_whose_cause_nobody_knows_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(rendezvous, "CAUSE_SECONDS", 0.05)

    async def scenario():
        board = Rendezvous()
        heard = await lose_a_worker(board)
        await board.report("a", "first", 0, FailureMessage(LOST, lost=True))
        assert await heard == FailureMessage(LOST, lost=True)

    run(scenario())


def test_a_gang_that_could_not_be_started_fails_its_trial_only_if_it_had_one():
    async def scenario():
        board, seen = Rendezvous(), []
        waiting = asyncio.create_task(train(board, 0, 2))
        await settle()
        await board.add("broken", 2)
        assert not await board.remove("broken", "no place")
        await settle()
        assert not waiting.done()
        await start(board, "a", 2, seen)
        assert len(await waiting) == EPOCHS
        # what becomes of one that was there is said by its trials
        assert await board.remove("a", "it has ended")

    run(scenario())


@pytest.mark.parametrize("closing", [True, False])
def test_a_closing_gang_gets_no_trial_until_its_workers_are_new(closing):
    async def scenario():
        board, seen = Rendezvous(), []
        await start(board, "a", 1, seen)
        await board.begin(assignment(0, 1))
        await settle()
        await board.report("a", "first", 0, FailureMessage("CUDA error"), closing=closing)
        await board.end(0)
        await settle()
        await board.begin(assignment(1, 1))
        await settle()
        assert (("a", "first", 0, 1) in seen) == (not closing)

    run(scenario())


def test_a_process_group_is_used_again_unless_a_worker_failed():
    async def scenario():
        board, clean = Rendezvous(), []
        await board.add("a", 2)
        for rank in (0, 1):
            await board.join("a", "first", rank, rank)
        for index, failing in enumerate([None, 1, None, None]):
            waiting = [asyncio.create_task(board.next_attempt("a", "first", rank)) for rank in (0, 1)]
            await settle()
            await board.begin(assignment(index, 2))
            clean.append([found.clean for found in await asyncio.gather(*waiting)])
            # the last epoch is over for rank 0 when rank 1 fails
            await board.report("a", "first", index, done(EPOCHS))
            if failing is not None:
                await board.report("a", "first", index, FailureMessage("late"))
            await board.end(index)
        assert clean == [[False] * 2, [True] * 2, [False] * 2, [True] * 2]

    run(scenario())
