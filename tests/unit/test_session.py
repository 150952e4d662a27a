"""One attempt at a trial: it goes on from what the attempt before has left, and takes over what it is told to."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.data import open_dataset
from orchestrator.errors import StorageError, UnreachableStorageError
from orchestrator.runtime.worker import session
from orchestrator.runtime.worker.session import TrialSession, WorkerSettings
from orchestrator.runtime.worker.trial_files import load_state
from orchestrator.storage import Storage
from orchestrator.sweeps.messages import Attempt
from orchestrator.sweeps.trial_files import best_weights
from orchestrator.training import Ranks, TrialSpec

DATASET = open_dataset("sklearn:iris")
SPEC = TrialSpec(
    architecture="mlp",
    settings={"depth": 1, "width": 8, "dropout": 0.1},
    epochs=6,
    batch_size=32,
    learning_rate=0.01,
    seed=3,
)
SPEC = dataclasses.replace(SPEC, schedule="cosine", warmup_epochs=1.0)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint after every epoch."""
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(session, "CHECKPOINT_SHARE", math.inf)


def messages(folder, attempt):
    return TrialSession(attempt, DATASET, WorkerSettings(storage=Storage.at(folder), threads=1), Ranks(), {}).messages()


def reports(found):
    kept = [message.report.to_json() for message in found]
    return [{name: value for name, value in report.items() if "second" not in name} for report in kept]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return reports(messages(tmp_path_factory.mktemp("whole"), Attempt(index=0, number=1, spec=SPEC)))


@settings(max_examples=25)
@given(stops=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2)), min_size=1, max_size=2))
def test_attempts_together_say_what_one_would_have_said(tmp_path_factory, whole, stops):
    folder = tmp_path_factory.mktemp("parts")
    told, number = [], 1
    for count, unheard in stops:
        attempts = messages(folder, Attempt(index=0, number=number, spec=SPEC, epochs=len(told)))
        found = [message for _, message in zip(range(count), attempts, strict=False)]
        attempts.close()
        # the driver may be killed before it has written down the last ones
        told += reports(found[: max(0, len(found) - unheard)])
        number += 1
    told += reports(messages(folder, Attempt(index=0, number=number, spec=SPEC, epochs=len(told))))
    assert told == whole
    assert best_weights(Storage.at(folder), 0, told[-1]["best_epoch"])


def test_without_a_checkpoint_a_trial_begins_again_and_repeats_nothing(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", math.inf)
    found = messages(tmp_path, Attempt(index=0, number=1, spec=SPEC))
    told = reports([next(found), next(found)])
    assert load_state(Storage.at(tmp_path), 0) is None
    assert told + reports(messages(tmp_path, Attempt(index=0, number=2, spec=SPEC, epochs=2))) == whole


def test_a_storage_that_does_not_answer_at_the_start_of_an_attempt_is_no_fault_of_the_trial(tmp_path, monkeypatch):
    found = messages(tmp_path, Attempt(index=0, number=1, spec=SPEC))
    next(found)
    with monkeypatch.context() as broken:
        broken.setattr(Storage, "names", lambda _self: (_ for _ in ()).throw(StorageError("no answer")))
        with pytest.raises(UnreachableStorageError, match="no answer"):
            next(messages(tmp_path, Attempt(index=0, number=2, spec=SPEC, epochs=1)))


def test_weights_that_the_driver_counts_on_stay_while_epochs_are_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", math.inf)
    storage = Storage.at(tmp_path)
    found = messages(tmp_path, Attempt(index=0, number=1, spec=SPEC))
    told = [next(found) for _ in range(4)]
    best = told[-1].kept
    assert best > 1
    before = best_weights(storage, 0, best)
    again = messages(tmp_path, Attempt(index=0, number=2, spec=SPEC, epochs=4, kept=best))
    files = TrialSession._keep_best
    seen = []

    def look(self, network):
        seen.append(best_weights(storage, 0, best))
        files(self, network)
        # weights of repeated epochs do not pile up
        assert len(list(tmp_path.glob("trials/*/best-*"))) <= 3

    monkeypatch.setattr(TrialSession, "_keep_best", look)
    next(again)
    assert set(seen) == {before}


def test_milestones_have_a_checkpoint_however_quickly_they_are_reached(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", math.inf)
    found = messages(tmp_path, Attempt(index=0, number=1, spec=SPEC, milestones=(2,)))
    for epoch in (1, 2):
        assert next(found).report.epoch == epoch
    assert load_state(Storage.at(tmp_path), 0).report.epoch == 2


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_trial_goes_on_with_the_weights_of_another_and_its_own_epochs(tmp_path, optimizer):
    frozen = dataclasses.replace(SPEC, optimizer=optimizer, learning_rate=1e-12, settings={"depth": 1, "width": 8})
    donor = messages(tmp_path, Attempt(index=7, number=1, spec=SPEC))
    given_away = reports([next(donor), next(donor), next(donor)])[-1]
    own = messages(tmp_path, Attempt(index=2, number=1, spec=dataclasses.replace(SPEC, seed=9)))
    mine = reports([next(own)])[-1]
    assert mine["validation"] != given_away["validation"]

    spec = dataclasses.replace(frozen, optimizer=SPEC.optimizer, seed=9)
    found = messages(tmp_path, Attempt(index=2, number=2, spec=spec, epochs=1, donor=7))
    first = reports([next(found)])[0]
    # it hardly learns, so that it measures what the donor measured
    assert first["epoch"] == 2
    assert first["validation"]["log_loss"] == pytest.approx(given_away["validation"]["log_loss"], abs=1e-6)
    assert 0 < first["learning_rate"] <= 1e-12
    # what was taken over is in its own checkpoint at once
    assert load_state(Storage.at(tmp_path), 2).report.epoch == 2
    rest = reports(found)
    assert [report["epoch"] for report in rest] == [3, 4, 5, 6]


def test_a_taken_over_learning_rate_follows_its_own_schedule(tmp_path):
    donor = messages(tmp_path, Attempt(index=7, number=1, spec=SPEC))
    next(donor)
    slower = dataclasses.replace(SPEC, learning_rate=0.004)
    alone = reports(messages(tmp_path, Attempt(index=1, number=1, spec=slower)))
    own = messages(tmp_path, Attempt(index=2, number=1, spec=SPEC))
    reports([next(own), next(own), next(own)])
    rates = [
        report["learning_rate"]
        for report in reports(messages(tmp_path, Attempt(index=2, number=2, spec=slower, epochs=3, donor=7)))
    ]
    assert rates == pytest.approx([report["learning_rate"] for report in alone[3:]], rel=1e-9)
