"""Files of a trial: what it needs to go on stays, whatever is damaged, and never more than its part of the disk."""

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame

from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import DiskBudgetError
from orchestrator.runtime.worker.session import TrialSession, WorkerSettings
from orchestrator.runtime.worker.trial_files import TrialFiles, load_state
from orchestrator.storage import Storage
from orchestrator.sweeps.messages import Attempt
from orchestrator.sweeps.trial_files import best_weights, forget_trial, trial_folder
from orchestrator.training import EpochReport, Ranks, TrialSpec, TrialState, pack_state

INDEX = 3


def state(epoch, best_epoch=1, size=4):
    report = EpochReport(
        epoch=epoch,
        train_loss=0.5,
        validation={"log_loss": 0.5},
        learning_rate=0.01,
        seconds=0.1,
        examples_per_second=100.0,
        best_epoch=best_epoch,
        best_value=0.5,
        last=False,
    )
    return TrialState(report, {"network/weight": torch.full((size,), float(epoch))}, {"history": [epoch]})


def files(storage, attempt=1, quota=None):
    return TrialFiles(storage, INDEX, attempt, quota)


def names(storage):
    return trial_folder(storage, INDEX).names()


def best_of(storage):
    return [int(name[5:11]) for name in names(storage) if name.startswith("best")]


def on_disk(storage):
    """Bytes per file, whatever `TrialFiles` says."""
    folder = Path(trial_folder(storage, INDEX).path)
    return {path.name: path.stat().st_size for path in folder.glob("*")} if folder.is_dir() else {}


@pytest.fixture
def storage(tmp_path):
    return Storage.at(tmp_path)


@pytest.fixture(params=["folder", "memory"])
def any_storage(request, tmp_path):
    return Storage.at(tmp_path if request.param == "folder" else f"memory://{tmp_path.name}")


def test_a_trial_goes_on_from_its_latest_checkpoint(any_storage):
    assert load_state(any_storage, INDEX) is None
    own = files(any_storage)
    for epoch in (1, 2, 12):
        own.write_state(state(epoch))
        found = load_state(any_storage, INDEX)
        assert found.report == state(epoch).report
        assert found.values == {"history": [epoch]}
        assert torch.equal(found.tensors["network/weight"], torch.full((4,), float(epoch)))
    assert load_state(any_storage, INDEX + 1) is None


def test_two_checkpoints_are_kept_at_most_also_of_earlier_attempts(any_storage):
    for attempt, epochs in [(1, (1, 2, 3)), (2, (4, 5)), (3, (6,))]:
        own = files(any_storage, attempt)
        for epoch in epochs:
            own.write_state(state(epoch))
            assert len(names(any_storage)) <= 2
    assert names(any_storage) == ["state-000005-2.checkpoint", "state-000006-3.checkpoint"]


@given(place=st.integers(0), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path_factory, place, bit, cut):
    storage = Storage.at(tmp_path_factory.mktemp("sweep"))
    own = files(storage)
    for epoch in (4, 5):
        own.write_state(state(epoch))
    for name, before in [("state-000005-1.checkpoint", 4), ("state-000004-1.checkpoint", None)]:
        path = Path(trial_folder(storage, INDEX).path) / name
        content = bytearray(path.read_bytes())
        if cut:
            del content[place % len(content) :]
        else:
            content[place % len(content)] ^= 1 << bit
        path.write_bytes(content)
        found = load_state(storage, INDEX)
        assert (found and found.report.epoch) == before


def test_weights_that_a_checkpoint_refers_to_stay_as_long_as_it(any_storage):
    own = files(any_storage)
    own.write_best(1, b"one")
    own.write_state(state(1, best_epoch=1))
    own.write_best(2, b"two")
    own.settle()
    own.write_best(3, b"three")
    # the driver may not know of epoch 3 yet
    assert best_of(any_storage) == [1, 2, 3]
    own.settle()
    # a process that is killed here goes on from epoch 1, whose best weights are there
    assert best_of(any_storage) == [1, 3]
    assert (own.kept, best_weights(any_storage, INDEX, 1)) == (3, b"one")
    own.write_state(state(3, best_epoch=3))
    own.settle()
    # the checkpoint of epoch 1 is used if that of epoch 3 is damaged
    assert best_of(any_storage) == [1, 3]
    for epoch in (4, 5):
        own.write_state(state(epoch, best_epoch=3))
        own.settle()
    assert best_of(any_storage) == [3]
    assert best_weights(any_storage, INDEX, 3) == b"three"


def test_going_back_deletes_weights_of_another_course(any_storage):
    own = files(any_storage)
    own.write_best(2, b"two")
    own.write_state(state(3, best_epoch=2))
    own.write_best(4, b"four")
    again = files(any_storage, attempt=2)
    assert again.kept == 4
    report = load_state(any_storage, INDEX).report
    again.go_back_to(report.epoch, report.best_epoch)
    assert again.kept == 2
    assert names(any_storage) == ["best-000002.safetensors", "state-000003-1.checkpoint"]
    # until there is another checkpoint, the same holds for this attempt
    again.write_best(5, b"five")
    again.settle()
    assert (again.kept, best_of(any_storage)) == (5, [2, 5])


def test_going_back_to_before_the_first_best_epoch_keeps_no_weights(storage):
    own = files(storage)
    own.write_best(1, b"one")
    again = files(storage, attempt=2)
    again.go_back_to(0, 0)
    assert (again.kept, again.stored, names(storage)) == (0, 0, [])


def test_checkpoints_of_a_trial_that_begins_again_are_not_taken_for_older_ones(storage):
    own = files(storage)
    for epoch in (8, 9):
        own.write_state(state(epoch, best_epoch=1))
    for name in names(storage):
        trial_folder(storage, INDEX).write(name, b"damaged")
    assert load_state(storage, INDEX) is None
    again = files(storage, attempt=2)
    again.go_back_to(0, 0)
    for epoch in (1, 2, 3):
        again.write_state(state(epoch, best_epoch=1))
        assert load_state(storage, INDEX).report.epoch == epoch


def test_what_a_killed_process_has_left_half_is_deleted_and_the_rest_counts(storage):
    own = files(storage)
    own.write_best(1, b"one")
    own.write_state(state(1))
    folder = trial_folder(storage, INDEX)
    before = own.stored
    for name in (".best-000002.safetensors.ab12cd34", ".state-000002-1.checkpoint.ab12cd34"):
        folder.write(name, b"half")
    again = files(storage, attempt=2)
    assert again.stored == before == sum(on_disk(storage).values())
    assert len(names(storage)) == 2


def test_older_checkpoints_give_way(storage):
    size = len(pack_state(state(1)))
    own = files(storage, quota=int(2.5 * size))
    for epoch in (1, 2, 3):
        own.write_state(state(epoch))
        assert sum(on_disk(storage).values()) <= int(2.5 * size)
    assert names(storage) == ["state-000002-1.checkpoint", "state-000003-1.checkpoint"]
    # weights need the room of both
    own.write_best(4, b"x" * int(1.6 * size))
    assert names(storage) == ["best-000004.safetensors"]
    with pytest.raises(DiskBudgetError, match=r"^a checkpoint \(0\.0 MB\) does not fit into the trial's part"):
        own.write_state(state(4))
    assert best_weights(storage, INDEX, 4) == b"x" * int(1.6 * size)


def test_the_only_checkpoint_stays_when_the_next_one_does_not_fit(storage):
    size = len(pack_state(state(1)))
    own = files(storage, quota=int(1.5 * size))
    own.write_state(state(1))
    with pytest.raises(DiskBudgetError, match=r"a checkpoint .* does not fit"):
        own.write_state(state(2))
    assert load_state(storage, INDEX).report.epoch == 1


def test_weights_that_never_fit_are_said(storage):
    own = files(storage, quota=3_000_000)
    with pytest.raises(DiskBudgetError, match=r"^the weights \(4\.0 MB\) do not fit .* disk budget \(3\.0 MB\)$"):
        own.write_best(1, bytes(4_000_000))
    assert (own.kept, names(storage)) == (0, [])


ACTIONS = st.tuples(st.sampled_from(["best", "best", "state", "state", "settle", "again"]), st.integers(0, 1500))


@given(quota=st.integers(300, 6000), actions=st.lists(ACTIONS, max_size=25))
def test_files_never_have_more_than_their_quota(tmp_path_factory, quota, actions):
    storage = Storage.at(tmp_path_factory.mktemp("sweep"))
    own, attempt, best = files(storage, quota=quota), 1, 0
    for epoch, (action, size) in enumerate(actions, start=1):
        before, latest = on_disk(storage), load_state(storage, INDEX)
        packed = pack_state(state(epoch, best, size // 4))
        try:
            if action == "best":
                own.write_best(epoch, bytes(size))
                best = epoch
            elif action == "state":
                own.write_state(state(epoch, best, size // 4))
                assert load_state(storage, INDEX).report.epoch == epoch
            elif action == "settle":
                own.settle()
            else:
                attempt += 1
                own = files(storage, attempt, quota)
                if latest is not None:
                    best = latest.report.best_epoch
                    own.go_back_to(latest.report.epoch, best)
        except DiskBudgetError:
            assert sum(before.values()) + (size if action == "best" else len(packed)) > quota
            # no weights have given way, nor the latest checkpoint for another one
            assert {name for name in before if name.startswith("best")} <= set(on_disk(storage))
            if action == "state" and latest is not None:
                assert load_state(storage, INDEX).report == latest.report
        there = on_disk(storage)
        assert sum(there.values()) == own.stored <= quota
        assert sum(name.startswith("state") for name in there) <= 2
        assert own.kept == best
        assert best == 0 or best in best_of(storage)
        latest = load_state(storage, INDEX)
        assert latest is None or latest.report.best_epoch in (0, *best_of(storage))


def test_of_a_trial_that_is_over_only_what_is_wanted_stays(any_storage):
    own = files(any_storage)
    own.write_best(1, b"one")
    own.write_state(state(1))
    own.write_best(2, b"two")
    other = trial_folder(any_storage, INDEX + 1)
    other.write("best-000001.safetensors", b"other")
    forget_trial(any_storage, INDEX, keep=2)
    forget_trial(any_storage, INDEX, keep=2)
    assert names(any_storage) == ["best-000002.safetensors"]
    assert best_weights(any_storage, INDEX, 2) == b"two"
    forget_trial(any_storage, INDEX)
    forget_trial(any_storage, INDEX)
    assert names(any_storage) == []
    forget_trial(any_storage, INDEX, keep=1)
    assert other.read("best-000001.safetensors") == b"other"


def train(storage, attempt, epochs=None):
    """What an attempt that is lost after so many messages says: the epochs and their losses."""
    dataset = open_dataset(mixed_frame(120), DataOptions(target="label"))
    session = TrialSession(attempt, dataset, WorkerSettings(storage=storage, threads=1), Ranks(), {})
    reports = [message.report.to_json() for message in itertools.islice(session.messages(), epochs)]
    return [(report["epoch"], report["train_loss"], report["validation"]) for report in reports]


@pytest.mark.parametrize("known", [2, 3])
def test_a_taker_that_is_lost_after_its_first_epoch_goes_on_as_if_nothing_had_happened(tmp_path, known):
    """Its driver may know of that epoch or not; the weights of the donor are in the checkpoint either way."""
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 1, "width": 8}, learning_rate=0.001, batch_size=32, epochs=6
    )
    good = dataclasses.replace(spec, learning_rate=0.03, seed=1)
    told = []
    for name, breaks in [("whole", False), ("broken", True)]:
        storage = Storage.at(tmp_path / name)
        for index, own in [(0, spec), (1, good)]:
            train(storage, Attempt(index=index, number=1, spec=own, milestones=(2,)), 2)
        attempt = Attempt(index=0, number=2, spec=good, epochs=2, milestones=(2,), donor=1)
        if breaks:
            first = train(storage, attempt, 1)
            again = dataclasses.replace(attempt, number=3, epochs=known, donor=attempt.donor if known == 2 else None)
            told.append(first[: known - 2] + train(storage, again))
        else:
            told.append(train(storage, attempt))
    assert [epoch for epoch, *_ in told[0]] == [3, 4, 5, 6]
    assert told[1] == told[0]
