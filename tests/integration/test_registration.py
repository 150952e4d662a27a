"""What becomes of a sweep's model: registered once, named aloud when it is not the best, brought to another store."""

import json
from pathlib import Path

import click
import pytest
from support import empty_store

import orchestrator
from orchestrator.cli.displays import Form
from orchestrator.cli.sweep import conclude
from orchestrator.display.displays import Display
from orchestrator.journal.folder import find_sweep
from orchestrator.runtime.hooks import Hooks
from orchestrator.tracking.store import client_for

pytestmark = pytest.mark.usefixtures("ray_cluster")


class Place:
    """A sweep that is over, two of whose models are kept, and its store."""

    def __init__(self, folder):
        self.store = empty_store(folder)
        self.client = client_for(self.store)
        self.said = []
        options = {
            "space": "quick",
            "trials": 3,
            "epochs": 4,
            "scheduler": "none",
            "keep_top": 2,
            "name": "place",
            "ensemble": "none",
        }
        self.result = orchestrator.sweep("sklearn:wine", tracking_uri=self.store, concurrency=1, **options)

    @property
    def folder(self):
        return Path(find_sweep(self.result.id).storage.path)

    def resume(self, **options):
        self.said.clear()
        return orchestrator.resume(self.result.id, hooks=Hooks(notify=self.said.append), **options)

    def versions(self, client=None):
        found = (client or self.client).search_model_versions("name='place'")
        return sorted(int(version.version) for version in found)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("registration"))


def test_one_winner_is_one_version_however_often_it_wins(place):
    assert place.versions() == [1]
    assert place.result.test_looks == 1
    # trials of one epoch are worse
    again = place.resume(trials="+1", register_model=True)
    winner = again.best.index == place.result.best.index
    assert place.versions() == [1] if winner else [1, 2]
    assert again.registration.existing == winner
    assert again.test_looks == 1 if winner else 2
    retrained = orchestrator.reproduce(f"place:{again.best.index}", tracking_uri=place.store)
    assert retrained.difference is None
    assert retrained.result.registration.existing
    assert retrained.result.registration.version == again.registration.version
    assert retrained.result.looks == again.test_looks + 1
    assert orchestrator.sync(place.result.id).registration is None
    assert place.versions() == [1] if winner else [1, 2]


def test_a_damaged_winner_is_named_everywhere_and_the_next_best_is_no_champion_unless_it_is_accepted(place):
    best = json.loads((place.folder / "result.json").read_text())["best"]
    (file,) = (place.folder / "trials" / f"{best:05d}").glob("best-*")
    before = place.versions()
    champion = place.client.get_model_version_by_alias("place", "champion").version
    file.write_bytes(file.read_bytes()[:-20])
    result = place.resume(trials="+1")
    assert result.best.index != best
    assert not result.accepted
    (sentence,) = result.skipped
    assert f"trial {best} is better" in sentence
    assert "damaged" in sentence
    assert sentence in place.said
    labels = place.client.get_run(result.run_id).data.tags
    assert labels["orchestrator.skipped"] == sentence
    assert not result.registration.champion
    with pytest.raises(click.exceptions.Exit) as ended:
        conclude(result, Form.JSON, Display())
    assert ended.value.exit_code == 1
    assert sentence in result.registration.reason
    assert place.versions() == [*before, before[-1] + 1]
    assert place.client.get_model_version_by_alias("place", "champion").version == champion


def test_a_store_that_is_lost_gets_everything_again(place, tmp_path):
    lost = empty_store(tmp_path)
    client = client_for(lost)
    trials = len(json.loads((place.folder / "result.json").read_text())["trials"])
    assert trials
    first = orchestrator.sync(place.result.id, tracking_uri=lost)
    assert first.anew
    assert first.registration is not None
    assert place.versions(client) == [1]
    parent = client.get_run(first.run_id)
    assert (parent.info.status, parent.data.tags["orchestrator.sweep_id"]) == ("FINISHED", place.result.id)
    old = place.client.get_run(place.result.run_id)
    assert parent.data.params == old.data.params
    assert parent.inputs.dataset_inputs[0].dataset.schema == old.inputs.dataset_inputs[0].dataset.schema
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first.run_id}'")
    assert len(children) == first.trials
    header = find_sweep(place.result.id).header
    assert (header.run_id, header.tracking_uri) == (first.run_id, lost)
    # the address and the runs are remembered; nothing is left to do
    second = orchestrator.sync(place.result.id)
    assert (second.run_id, second.anew, second.registration) == (first.run_id, False, None)
    assert place.versions(client) == [1]

    # some runs are gone: these are made again
    for run in children[:2]:
        client.delete_run(run.info.run_id)
    third = orchestrator.sync(place.result.id)
    assert (third.anew, third.trials) == (False, first.trials)
    again = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first.run_id}'")
    assert len(again) == len(children)

    # to go on makes them as well
    (tmp_path / "mlflow.db").unlink()
    (tmp_path / "next").mkdir()
    # and may take the second best for the champion
    best = json.loads((place.folder / "result.json").read_text())["best"]
    for file in (place.folder / "trials" / f"{best:05d}").glob("best-*"):
        file.write_bytes(file.read_bytes()[:-20])
    result = place.resume(trials="+1", tracking_uri=empty_store(tmp_path / "next"), allow_second_best=True)
    assert any("has no run" in sentence for sentence in place.said)
    assert result.run_id != first.run_id
    assert find_sweep(place.result.id).header.run_id == result.run_id
    assert result.skipped
    assert result.accepted
    assert result.registration.champion
    conclude(result, Form.JSON, Display())
