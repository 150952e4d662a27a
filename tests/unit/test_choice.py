"""The winner of a sweep is the best trial whose weights are what they were; better ones are named with the reason."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mixed_frame
from torch import nn

from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import StorageError
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.stored_models import StoredModels
from orchestrator.evaluation.winner import doubt_of
from orchestrator.journal import Begun, Drawn, Ended, Reported, TrialStatus
from orchestrator.runtime.worker.trial_files import TrialFiles
from orchestrator.storage import Storage
from orchestrator.sweeps.choice import choose, drop_lost, sentences
from orchestrator.sweeps.trial_files import trial_folder
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.training import TrialSpec, pack_weights, train_trial, unpack_weights
from orchestrator.training.checkpoints import DIGEST_LENGTH


class Sweep:
    """Three trials that are over; the files with their weights."""

    def __init__(self, folder, dataset):
        self.dataset, self.storage = dataset, Storage.at(folder)
        self.metric = dataset.schema.target.task.find_metric()
        self.trial_table = TrialTable(self.metric)
        self.content = {}
        for index, epochs in enumerate((1, 4, 2)):
            spec = TrialSpec(
                architecture="mlp",
                settings={"depth": 1, "width": 8},
                metric=self.metric.name,
                epochs=epochs,
                batch_size=32,
            )
            self.train(index, spec)
        self.order = [record.index for record in self.trial_table.ranked()]

    def train(self, index, spec):
        found, files = [], TrialFiles(self.storage, index, 1, None)
        self.trial_table.apply(Drawn(1.0, index, spec, {}))
        self.trial_table.apply(Begun(1.0, index, 1))
        reports = train_trial(spec, self.dataset, on_best=lambda network: found.append(pack_weights(network)))
        for report in reports:
            if report.best_epoch == report.epoch:
                files.write_best(report.epoch, found[-1])
            self.trial_table.apply(
                Reported(at=1.0, index=index, report=report, train_seconds=0.1, kept=files.kept, stored=0)
            )
        self.trial_table.apply(Ended(1.0, index, "finished", ""))
        self.content[index] = found[-1]

    def name(self, index):
        return f"best-{self.trial_table.records[index].report.best_epoch:06d}.safetensors"

    def write(self, index, content):
        trial_folder(self.storage, index).write(self.name(index), content)

    def restore(self):
        for index, content in self.content.items():
            self.write(index, content)

    @property
    def models(self):
        return StoredModels(
            storage=self.storage,
            dataset=self.dataset,
            metric=self.metric,
            rows=lambda dataset, part: dataset.rows(part),
        )

    def choose(self, trial_table=None):
        """The index of the trial that was taken, its model, and what was skipped for it."""
        choice, skipped = choose(trial_table or self.trial_table, self.models)
        return (None, None, skipped) if choice is None else (choice[0].index, choice[1], skipped)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Sweep(tmp_path_factory.mktemp("choice"), open_dataset("sklearn:diabetes"))


@pytest.fixture
def sweep(trained):
    trained.restore()
    return trained


def test_the_best_trial_wins_and_nobody_is_skipped(sweep):
    index, _, skipped = sweep.choose()
    assert (index, skipped) == (sweep.order[0], ())


@settings(max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.one_of(st.none(), st.integers(1, 400)))
def test_weights_that_are_damaged_anywhere_are_named_and_the_next_best_is_taken(trained, place, bit, cut):
    trained.restore()
    best = trained.order[0]
    damaged = bytearray(trained.content[best])
    if cut is None:
        damaged[int(place * len(damaged))] ^= 1 << bit
    else:
        damaged = damaged[:-cut]
    trained.write(best, bytes(damaged))
    index, _, skipped = trained.choose()
    assert index == trained.order[1]
    assert [item.index for item in skipped] == [best]
    assert f"trial {best} is better" in sentences(skipped, trained.metric)[0]
    assert "damaged" in skipped[0].reason


def test_weights_of_earlier_versions_have_no_digest_and_are_read(sweep):
    best = sweep.order[0]
    sweep.write(best, sweep.content[best][DIGEST_LENGTH:])
    index, _, skipped = sweep.choose()
    assert (index, skipped) == (best, ())


def test_weights_that_do_not_give_the_figure_that_was_recorded_are_not_taken(sweep):
    # the exponent of the last weight, in a file without a digest
    best = sweep.order[0]
    old = bytearray(sweep.content[best][DIGEST_LENGTH:])
    old[-1] ^= 0x20
    sweep.write(best, bytes(old))
    index, _, (skipped,) = sweep.choose()
    assert index == sweep.order[1]
    assert "on the validation rows is" in skipped.reason or "infinite" in skipped.reason


def test_missing_weights_are_named_and_without_any_there_is_no_winner(sweep):
    trial_folder(sweep.storage, sweep.order[0]).clear()
    index, _, (skipped,) = sweep.choose()
    assert index == sweep.order[1]
    assert "could not be read" in skipped.reason
    for index in sweep.order:
        trial_folder(sweep.storage, index).clear()
    index, _, skipped = sweep.choose()
    assert index is None
    assert [item.index for item in skipped] == sweep.order


def test_a_trial_whose_best_weights_never_were_written_is_named(sweep):
    trial_table = copy.deepcopy(sweep.trial_table)
    trial_table.records[sweep.order[0]].kept = 0
    index, _, (skipped,) = sweep.choose(trial_table)
    assert index == sweep.order[1]
    assert "are not in" in skipped.reason


def test_a_session_that_goes_on_forgets_lost_weights_so_that_the_next_ones_are_kept(sweep):
    best, second, _ = sweep.order
    trial_table = copy.deepcopy(sweep.trial_table)
    assert drop_lost(trial_table, sweep.models, 1) == ()
    assert trial_table.best.index == best
    sweep.write(best, sweep.content[best][:-20])
    (lost,) = drop_lost(trial_table, sweep.models, 1)
    assert lost.index == best
    assert trial_table.best.index == second
    assert not trial_table.records[best].best_is_kept
    _, _, (skipped,) = sweep.choose(trial_table)
    assert skipped == lost


def test_lost_weights_of_a_trial_that_goes_on_are_not_told_of_since_it_will_have_others(sweep):
    best, second, _ = sweep.order
    trial_table = copy.deepcopy(sweep.trial_table)
    trial_table.records[best].status = TrialStatus.INTERRUPTED
    sweep.write(best, sweep.content[best][:-20])
    assert drop_lost(trial_table, sweep.models, 1) == ()
    assert trial_table.best.index == second


def test_weights_of_another_network_are_a_sentence(sweep):
    with pytest.raises(StorageError, match="of another network"):
        unpack_weights(nn.Linear(1, 1), sweep.content[0])


def test_a_folder_larger_than_memory_is_validated_in_parts(tmp_path):
    frame = mixed_frame(300)
    (tmp_path / "rows").mkdir()
    for number in range(3):
        frame[number::3].to_parquet(tmp_path / "rows" / f"{number}.parquet")
    sweep = Sweep(tmp_path / "sweep", open_dataset(str(tmp_path / "rows"), DataOptions(target="label")))
    best = sweep.order[0]
    assert sweep.choose()[0] == best
    sweep.write(best, sweep.content[best][:-20])
    index, _, (skipped,) = sweep.choose()
    assert (index, skipped.index) == (sweep.order[1], best)


def test_the_same_trial_has_the_same_digest_and_another_one_another(sweep):
    first, again = sweep.choose()[1].finish(), sweep.choose()[1].finish()
    assert first.digest == again.digest
    trial_folder(sweep.storage, sweep.order[0]).clear()
    assert sweep.choose()[1].finish().digest != first.digest


@pytest.mark.parametrize("target", ["number", "label", "color"])
def test_a_test_figure_worse_than_a_constant_one_is_in_doubt_only_if_validation_was_better(target):
    frame = mixed_frame(300).dropna(subset=[target])
    dataset = open_dataset(frame, DataOptions(target=target))
    task, metric = dataset.schema.target.task, dataset.schema.target.task.find_metric()
    truth = {part: rows.target for part, rows in (("validation", dataset.validation), ("test", dataset.test))}

    def answers(part, *, good):
        sure = truth[part]
        if task.kind == "regression":
            outputs = sure[:, None] if good else np.full((len(sure), 1), 5e36)
        elif dataset.schema.outputs == 1:
            outputs = (2.0 * sure - 1)[:, None] * (3 if good else -3)
        else:
            outputs = np.eye(dataset.schema.outputs)[sure.astype(int)] * (3 if good else -3)
        return Answers(outputs.astype(np.float32), sure)

    good, bad = ({part: answers(part, good=good) for part in truth} for good in (True, False))
    assert "worse than that of always giving" in doubt_of(dataset, metric, good["validation"], bad["test"])
    assert doubt_of(dataset, metric, good["validation"], good["test"]) == ""
    # a model that is bad throughout is compared as any other
    assert doubt_of(dataset, metric, bad["validation"], bad["test"]) == ""
