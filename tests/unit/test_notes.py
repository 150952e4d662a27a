"""What was guessed about data reaches everybody: warnings, results, files, MLflow and the command line."""

import json
import warnings

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from support import mixed_frame, quick_model

import orchestrator
from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.files import LIMITS, NOTES_FILE
from orchestrator.bundle.notes import notes_document, read_notes
from orchestrator.cli import main
from orchestrator.columns.notes import DataWarning, Note, warn
from orchestrator.errors import BundleError
from orchestrator.journal.folder import Header
from orchestrator.tracking import tags
from orchestrator.tracking.description import Description
from orchestrator.tracking.leaderboard import read_stored_leaderboard
from orchestrator.tracking.models import fetch_model
from orchestrator.tracking.notes import logged_notes, notes_tag
from orchestrator.tracking.sweeps import SweepTracker

SAME = Note(column="same", why="has the same value in every row", done="left out")
WORDS = Note(column="x", why="is read as categories", done="row 3 is not a number", option="--numeric 'x' refuses it")


def rows():
    return mixed_frame(100).assign(same=1)


def test_a_note_is_plain_json_and_comes_back():
    assert Note.from_json(json.loads(json.dumps(WORDS.to_json()))) == WORDS
    assert WORDS.to_json()["text"] == str(WORDS)


def test_each_note_is_one_warning_at_the_line_of_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn([SAME, WORDS, SAME])
    assert [str(item.message) for item in caught] == [str(SAME), str(WORDS)]
    assert [item.message.note for item in caught] == [SAME, WORDS]
    assert {(item.category, item.filename) for item in caught} == {(DataWarning, __file__)}


def test_training_from_python_warns_once_and_gives_the_notes(store, tmp_path):
    with pytest.warns(orchestrator.DataWarning) as caught:
        result = orchestrator.train(rows(), target="label", name="t", parameters={"epochs": 1}, tracking_uri=store)
    ours = [item for item in caught if issubclass(item.category, DataWarning)]
    assert [item.message.note for item in ours] == [SAME]
    assert ours[0].filename == __file__
    assert result.notes == result.bundle.notes == (SAME,)
    client = MlflowClient(store)
    assert client.get_run(result.run_id).data.tags[tags.NOTES] == f"1: {SAME}"
    # the file of the run, and that of the registered model
    assert logged_notes(client, result.run_id) == (SAME,)
    assert ModelBundle.load(fetch_model("models:/t/1", store, tmp_path).path).notes == (SAME,)


def test_warnings_can_be_errors():
    with warnings.catch_warnings(), pytest.raises(DataWarning, match="same value"):
        warnings.simplefilter("error", DataWarning)
        orchestrator.train(rows(), target="label", name="t", parameters={"epochs": 1})


def test_the_command_line_says_notes_as_sentences_and_gives_them_as_objects(store, tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    options = ["--target", "label", "--epochs", "1", "--tracking-uri", store, "--no-register", "--json"]
    found = CliRunner().invoke(main, ["train", str(tmp_path / "rows.csv"), *options])
    assert found.exit_code == 0, found.stderr
    assert found.stderr.count(f"note: {SAME}") == 1
    assert "Warning" not in found.stderr
    assert json.loads(found.stdout)["notes"] == [SAME.to_json()]


def test_a_bundle_keeps_its_notes_and_one_without_any_is_as_before(tmp_path):
    network, dataset = quick_model(rows(), "label")
    make_bundle(network, dataset, {}).save(tmp_path / "noted")
    assert ModelBundle.load(tmp_path / "noted").notes == (SAME,)
    network, dataset = quick_model(mixed_frame(100), "label")
    make_bundle(network, dataset, {}).save(tmp_path / "plain")
    assert not (tmp_path / "plain" / NOTES_FILE).exists()
    assert ModelBundle.load(tmp_path / "plain").notes == ()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"notes": 5},
        {"notes": [5]},
        {"notes": [{"why": "a", "done": "b"}]},
        {"notes": [{"column": None, "why": 5, "done": "b", "option": ""}]},
        {"notes": [{"column": ["x"], "why": "a", "done": "b", "option": ""}]},
    ],
)
def test_damaged_notes_are_a_sentence(content):
    with pytest.raises(BundleError, match=r"^notes\.json: damaged \(") as caught:
        read_notes(content, NOTES_FILE)
    assert "\n" not in str(caught.value)


def test_notes_that_would_be_too_many_to_be_read_again_are_left_out_aloud():
    many = [Note(column=f"{number}" * 100, why="w" * 1000, done="d") for number in range(6000)]
    document = notes_document(many)
    assert len(json.dumps(document, indent=2).encode()) < LIMITS[NOTES_FILE]
    kept = read_notes(document, NOTES_FILE)
    assert kept[:-1] == tuple(many[: len(kept) - 1])
    assert kept[-1].done == f"{6000 - len(kept) + 1} of them are left out here"


def test_a_header_of_before_has_no_notes():
    assert Header.__dataclass_fields__["notes"].default == ()


def test_the_run_of_a_sweep_has_a_tag_and_a_file(store, tmp_path):
    labels = {tags.KIND: tags.SWEEP_KIND, tags.SWEEP_NAME: "a", tags.SWEEP_ID: "a-1", **notes_tag([SAME, WORDS])}
    facts = {"name": "a", "digest": "d", "source_type": "local", "source": "{}"}
    notes = [SAME.to_json(), WORDS.to_json()]
    tracker = SweepTracker(store, Description(name="a", labels=labels, parameters={}, dataset=facts, notes=notes))
    run = MlflowClient(store).get_run(tracker.run_id)
    assert run.data.tags[tags.NOTES] == f"2: {SAME}; {WORDS}"
    assert read_stored_leaderboard(tracker.run_id, store).notes == (SAME, WORDS)


def test_a_tag_is_no_longer_than_mlflow_takes():
    many = [Note(column=f"c{number}", why="w", done="d") for number in range(6000)]
    assert len(notes_tag(many)[tags.NOTES]) == 5000
    assert notes_tag(many)[tags.NOTES].startswith("6000: column 'c0' w: d; ")
    assert notes_tag([]) == {}
