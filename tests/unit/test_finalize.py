"""How a sweep has ended, in its folder: for `sync`, and only as long as no other session has begun."""

import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bundle.registration import Registration
from orchestrator.errors import StorageError
from orchestrator.storage import Storage
from orchestrator.sweeps import finalize
from orchestrator.sweeps.finalize import (
    MODEL_FOLDER,
    Outcome,
    check_model,
    check_outcome,
    finalize_later,
    forget_outcome,
    forget_registration,
)

ID = "iris-20260101-000000-abcd"
OUTCOME = Outcome(
    status="finished",
    best=3,
    epoch=5,
    metric="accuracy",
    maximize=True,
    validation=0.9,
    test={"accuracy": 0.8},
    trials={"finished": 4},
    digest="digest",
    register=True,
    at=1.7e9,
)


class Tracker:
    """What is told of a sweep; a store that fails first, if it shall."""

    registered = ()

    def __init__(self, failures=0):
        self.failures, self.told = failures, []

    def register(self, trial, name, folder, figure, model_digest, doubt):
        Tracker.registered.append((trial, (folder / "part" / "weights").read_bytes()))
        return Registration(
            name=name, version=str(len(Tracker.registered)), champion=True, reason="it is the first champion"
        )

    def tell(self, outcome):
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the store is away")
        self.told.append(outcome)

    def leave(self, *, failed):
        self.told.append("FAILED" if failed else "KILLED")


@pytest.fixture
def registered(monkeypatch):
    """What was registered: trial and content."""
    found = []
    monkeypatch.setattr(Tracker, "registered", found)
    return found


@pytest.fixture
def storage(tmp_path):
    place = Storage.at(tmp_path)
    OUTCOME.save(place)
    place.write(f"{MODEL_FOLDER}/part/weights", b"numbers")
    return place


def test_a_model_is_registered_once_however_often_it_is_tried(storage, registered):
    with pytest.raises(RuntimeError, match="away"):
        finalize_later(Tracker(failures=1), "iris", "finished", storage, ID)
    assert Outcome.read(storage).waits
    tracker = Tracker()
    assert finalize_later(tracker, "iris", "finished", storage, ID) is None
    assert not Outcome.read(storage).waits
    assert finalize_later(tracker, "iris", "finished", storage, ID) is None
    assert registered == [(3, b"numbers")]
    (first, second) = tracker.told
    assert second == replace(first, sent=True)
    assert first == replace(OUTCOME, model="models:/iris/1", champion="yes: it is the first champion")
    # a store that was lost gets it again
    assert storage.child(MODEL_FOLDER).names() == ["part/weights"]
    forget_registration(storage)
    assert Outcome.read(storage).waits
    assert finalize_later(tracker, "iris", "finished", storage, ID).version == "2"


def test_a_model_that_was_damaged_in_the_folder_is_not_registered(storage, registered, tmp_path):
    shutil.copytree(tmp_path / MODEL_FOLDER, tmp_path / "copy")
    replace(OUTCOME, files=finalize._digest_of_files(tmp_path / "copy")).save(storage)
    storage.write(f"{MODEL_FOLDER}/part/weights", b"numberz")
    with pytest.raises(StorageError, match=r"damaged .*--from-trial iris-20260101-000000-abcd:3"):
        finalize_later(Tracker(), "iris", "finished", storage, ID)
    assert registered == []
    storage.write(f"{MODEL_FOLDER}/part/weights", b"numbers")
    assert finalize_later(Tracker(), "iris", "finished", storage, ID).version == "1"


@pytest.mark.parametrize(("files", "why"), [("", "an older version"), ("digest", "it was deleted")])
def test_a_model_that_is_gone_from_the_folder_is_missed_until_it_is_registered(storage, registered, files, why):
    replace(OUTCOME, files=files).save(storage)
    check_model(ID, storage)
    storage.child(MODEL_FOLDER).clear()
    tracker = Tracker()
    assert finalize_later(tracker, "iris", "finished", storage, ID) is None
    assert tracker.told[0].status == "finished"
    with pytest.raises(
        StorageError, match=rf"model: the model is not there \({why}.* --from-trial iris-20260101-000000-abcd:3"
    ):
        check_model(ID, storage)
    replace(OUTCOME, model="models:/iris/1").save(storage)
    check_model(ID, storage)


def test_the_outcome_of_an_earlier_session_does_not_count(storage, registered):
    forget_outcome(storage)
    tracker = Tracker()
    assert finalize_later(tracker, "iris", "running", storage, ID) is None
    assert registered == []
    assert tracker.told == ["KILLED"]


def test_what_a_sweep_has_done_is_known_to_its_next_session(storage):
    forget_outcome(storage)
    assert Outcome.read(storage) == replace(OUTCOME, current=False)
    assert storage.child(MODEL_FOLDER).names() == ["part/weights"]


@given(cut=st.integers(1, 300))
def test_a_torn_outcome_is_a_sentence_and_no_reason_not_to_go_on(tmp_path_factory, cut):
    place = Storage.at(tmp_path_factory.mktemp("torn"))
    OUTCOME.save(place)
    content = place.read("result.json")
    place.write("result.json", content[: -min(cut, len(content) - 1)])
    with pytest.raises(StorageError, match=r"result.json: damaged .*--trials \+1"):
        finalize_later(Tracker(), "iris", "finished", place, ID)
    forget_outcome(place)
    assert Outcome.read(place) is None


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_in_an_outcome_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    storage = Storage.at(tmp_path_factory.mktemp("flipped"))
    OUTCOME.save(storage)
    content = bytearray(storage.read("result.json"))
    content[place % len(content)] ^= 1 << bit
    storage.write("result.json", bytes(content))
    try:
        assert Outcome.read(storage) == OUTCOME
    except StorageError as error:
        assert "result.json: damaged (" in str(error)


def test_a_finished_sweep_without_its_outcome_is_not_told_to_the_store(storage):
    check_outcome(ID, "finished", storage)
    storage.remove("result.json")
    with pytest.raises(
        StorageError, match=r"result.json: lost, .* end again with: orchestrator resume iris-20260101-000000-abcd$"
    ):
        check_outcome(ID, "interrupted", storage)
    storage.child(MODEL_FOLDER).clear()
    check_outcome(ID, "interrupted", storage)
    with pytest.raises(
        StorageError, match=r"result.json: lost, .* end again with: .* resume iris-20260101-000000-abcd --trials \+1$"
    ):
        check_outcome(ID, "finished", storage)


def test_a_sweep_that_has_failed_stays_so(storage, registered):
    forget_outcome(storage)
    tracker = Tracker()
    finalize_later(tracker, "iris", "failed", storage, ID)
    assert tracker.told == ["FAILED"]


def test_a_sweep_without_registration_has_none_later(storage, registered):
    replace(OUTCOME, register=False).save(storage)
    storage.child(MODEL_FOLDER).clear()
    assert finalize_later(Tracker(), "iris", "finished", storage, ID) is None
    assert registered == []
