"""Reading an MLflow SQLite file without MLflow finds what MLflow's client finds, or leaves it to MLflow."""

import sqlite3
import subprocess
import sys

import pytest
from mlflow.tracking._tracking_service.utils import _get_default_tracking_uri
from support import empty_store

from orchestrator.errors import NoSuchModelError
from orchestrator.tracking.models import fetch_model
from orchestrator.tracking.rollout import look_up_rollout, promote, read_rollout, set_canary, set_shadow
from orchestrator.tracking.sqlite_registry import find_model, find_source
from orchestrator.tracking.store import client_for


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    uri = empty_store(tmp_path)
    client = client_for(uri)
    client.create_registered_model("m")
    for number in (1, 2, 3):
        folder = tmp_path / f"a folder {number}"
        folder.mkdir()
        (folder / "schema.json").write_text(f'{{"number": {number}}}')
        client.create_model_version("m", folder.as_uri())
    client.set_registered_model_alias("m", "champion", "2")
    return uri, client


def test_versions_and_aliases_are_found_where_the_client_finds_them(store):
    uri, client = store
    for version in ("1", "2", "3"):
        assert find_source("m", version, "champion", uri) == (
            version,
            client.get_model_version_download_uri("m", version),
        )
    assert find_source("m", None, "champion", uri)[0] == str(client.get_model_version_by_alias("m", "champion").version)
    client.set_registered_model_alias("m", "champion", "3")
    assert find_source("m", None, "champion", uri)[0] == "3"


def test_who_answers_is_read_from_the_file_as_the_client_says_it(store, monkeypatch):
    uri, client = store
    steps = [
        lambda: set_canary(client, "m", "1", 20),
        lambda: set_shadow(client, "m", "3", breaking=True),
        lambda: promote(client, "m", "1"),
        lambda: client.set_registered_model_tag("m", "a key", "a 'value'"),
    ]
    for step in steps:
        step()
        model, found = client.get_registered_model("m"), find_model("m", uri)
        assert found.aliases == {alias: str(version) for alias, version in model.aliases.items()}
        assert (found.tags, found.made) == (model.tags, model.creation_timestamp)
        read = read_rollout(client, "m")
        with monkeypatch.context() as patch:
            # MLflow is not asked
            patch.setattr("orchestrator.tracking.rollout.model_reader", None)
            assert look_up_rollout("m", uri) == read
        assert look_up_rollout("m", uri).made == read.made
    assert find_model("other", uri) is None
    with pytest.raises(NoSuchModelError, match="there is no registered model 'other'"):
        look_up_rollout("other", uri)


def test_a_logged_model_is_found_where_the_client_finds_it(store, tmp_path, monkeypatch):
    uri, client = store
    # the store itself looks the logged model up there
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    experiment = client.create_experiment("e", artifact_location=str(tmp_path / "artifacts"))
    model = client.create_logged_model(experiment, name="model")
    client.finalize_logged_model(model.model_id, "READY")
    version = client.create_model_version("m", f"models:/{model.model_id}", model_id=model.model_id).version
    assert find_source("m", str(version), "champion", uri) == (
        str(version),
        client.get_model_version_download_uri("m", version),
    )


@pytest.mark.parametrize(
    ("name", "version", "alias"),
    [("m", None, "none"), ("m", None, "latest"), ("m", "9", "champion"), ("other", None, "champion"), ("m'", "1", "x")],
)
def test_what_is_not_there_is_left_to_mlflow(store, name, version, alias):
    assert find_source(name, version, alias, store[0]) is None


def test_a_deleted_version_is_not_found(store):
    uri, client = store
    client.delete_model_version("m", "2")
    assert find_source("m", "2", "champion", uri) is None
    assert find_source("m", None, "champion", uri) is None


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "sqlite:////nowhere/mlflow.db", "sqlite:///x.db?mode=ro", ""])
def test_other_stores_are_left_to_mlflow(uri, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert find_source("m", "1", "champion", uri) is None


def test_another_registry_is_left_to_mlflow(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:1")
    assert find_source("m", "1", "champion", store[0]) is None


def test_tables_of_another_form_are_left_to_mlflow(store, tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("ALTER TABLE model_versions RENAME COLUMN storage_location TO place")
    assert find_source("m", "1", "champion", store[0]) is None


def test_the_default_store_is_the_one_of_mlflow(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_source("m", "1", "champion", None)[0] == "1"
    # files of the runs of SQLite stores are there, too
    for experiment in ("1", "models"):
        (tmp_path / "mlruns" / experiment / "run").mkdir(parents=True)
    (tmp_path / "mlruns" / "models" / "meta.yaml").touch()
    assert _get_default_tracking_uri().startswith("sqlite:")
    assert find_source("m", "1", "champion", None)[0] == "1"
    (tmp_path / "mlruns" / "1" / "meta.yaml").touch()
    assert _get_default_tracking_uri() == "./mlruns"
    assert find_source("m", "1", "champion", None) is None


def test_a_model_is_fetched_without_mlflow(store, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    code = (
        "import sys\nfrom pathlib import Path\nfrom orchestrator.tracking.models import fetch_model\n"
        f"found = fetch_model('models:/m@champion', {store[0]!r}, Path({str(target)!r}))\n"
        "print(found.version, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
    assert fetch_model("models:/m/3", store[0], tmp_path / "target").version == "3"
