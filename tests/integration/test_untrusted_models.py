"""A version in an MLflow registry that an attacker wrote: neither commands nor an endpoint run what is in it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from crafted import attack
from support import TrackingServer, empty_store, mixed_frame, train_bundle

import orchestrator
from orchestrator.bundle.registration import Figure
from orchestrator.cli import main
from orchestrator.errors import BundleError, GateError
from orchestrator.serving.control.registry_watcher import RegistryWatcher
from orchestrator.tasks import metric_named
from orchestrator.tracking.models import fetch_model
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.rollout import read_rollout
from orchestrator.tracking.store import client_for

FIGURE = Figure(metric=metric_named("roc_auc"), validation=0.9, test=0.9, digest="same")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untrusted")
    train_bundle(mixed_frame(), "label", folder / "bundle")
    mixed_frame(5).to_csv(folder / "rows.csv", index=False)
    return folder / "bundle"


class Store:
    """A registry in a folder, with version 1 as the champion and version 2 to be damaged."""

    def __init__(self, folder, bundle):
        self.uri = empty_store(folder)
        self.client = client_for(self.uri)
        self.rows = bundle.parent / "rows.csv"
        self.experiment = self.client.create_experiment("untrusted", artifact_location=str(folder / "artifacts"))
        for _ in range(2):
            run = self.client.create_run(self.experiment).info.run_id
            register_bundle(self.client, run, "model", bundle, figure=FIGURE, model_digest=run)
        self.model = Path(self.client.get_model_version_download_uri("model", "2").removeprefix("file://"))
        (found,) = self.model.glob("data/*/network.pt2")
        self.bundle = found.parent

    def predict(self, version):
        command = ["predict", f"models:/model/{version}", str(self.rows), "--tracking-uri", self.uri]
        return CliRunner().invoke(main, command)

    def follow(self, folder):
        """What an endpoint says whose champion is moved to version 2 by hand."""
        folder.mkdir()
        models = RegistryWatcher(folder, self.uri, "torch")
        followed = models.add("models:/model@champion")
        self.client.set_registered_model_alias("model", "champion", "2")
        models.follow(lambda configuration: None)
        return followed


@pytest.fixture
def store(bundle, tmp_path):
    return Store(tmp_path, bundle)


def test_an_archive_with_two_directories_runs_no_code_anywhere(store, tmp_path):
    touched, network = tmp_path / "touched", store.bundle / "network.pt2"
    network.write_bytes(attack(network.read_bytes(), touched))
    answer = store.predict(2)
    assert answer.exit_code == BundleError.exit_code
    assert "can be read in two ways" in answer.output
    with pytest.raises(BundleError, match="can be read in two ways"):
        orchestrator.promote("model", "2", tracking_uri=store.uri, force=True)
    assert read_rollout(store.client, "model").champion == "1"
    followed = store.follow(tmp_path / "place")
    assert followed.roles["champion"].version == "1"
    assert "can be read in two ways" in followed.problem
    code = f"import mlflow, orchestrator; mlflow.pyfunc.load_model({str(store.model)!r})"
    loaded = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=300)
    assert "can be read in two ways" in loaded.stderr
    assert not touched.exists()


def test_what_mlflow_would_import_or_install_is_not_looked_at(store, tmp_path):
    touched = tmp_path / "touched"
    code = store.model / "code"
    code.mkdir()
    (code / "canary.py").write_text(f"open({str(touched)!r}, 'w')\ndef _load_pyfunc(path): return None\n")
    (code / "orchestrator.py").write_text(f"open({str(touched)!r}, 'w')\n")
    (store.model / "requirements.txt").write_text("./code/canary-1-py3-none-any.whl\n")
    described = (store.model / "MLmodel").read_text()
    changed = described.replace("loader_module: orchestrator.bundle.pyfunc", "loader_module: canary\n    code: code")
    assert changed != described
    (store.model / "MLmodel").write_text(changed)

    assert store.predict(2).exit_code == 0
    orchestrator.promote("model", "2", tracking_uri=store.uri, force=True)
    orchestrator.rollback("model", tracking_uri=store.uri)
    followed = store.follow(tmp_path / "place")
    assert followed.roles["champion"].version == "2"
    assert not touched.exists()
    # MLflow's own loader would have run it
    code = f"import mlflow; mlflow.pyfunc.load_model({str(store.model)!r})"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=300)
    assert touched.exists()


@pytest.mark.parametrize("place", ["metrics.json", "", ".."], ids=["file", "bundle", "data"])
def test_links_in_a_version_are_refused(store, tmp_path, place):
    linked = (store.bundle / place).resolve()
    secret = tmp_path / "secret"
    shutil.move(linked, secret)
    if secret.is_file():
        secret.write_text(json.dumps({"password": "hunter2"}))
    linked.symlink_to(secret)
    answer = store.predict(2)
    assert answer.exit_code == BundleError.exit_code
    assert "is a link" in answer.output
    with pytest.raises((BundleError, GateError), match=r"^version 2 of 'model': .*is a link"):
        orchestrator.promote("model", "2", tracking_uri=store.uri, force=True)


def test_from_a_server_only_the_files_of_a_bundle_are_taken(bundle, tmp_path):
    server = TrackingServer(tmp_path)
    # a new one, whose default experiment is not in a folder of ours
    server.store = f"sqlite:///{tmp_path}/new.db"
    server.start()
    try:
        client = client_for(server.uri)
        run = client.create_run(client.create_experiment("untrusted")).info.run_id
        register_bundle(client, run, "model", bundle, figure=FIGURE, model_digest=run)
        (model,) = [path.parent for path in (tmp_path / "artifacts").rglob("MLmodel")]
        (model / "code").mkdir()
        (model / "code" / "large.py").write_text("raise SystemExit")
        (tmp_path / "copy").mkdir()
        source = fetch_model("models:/model/1", server.uri, tmp_path / "copy")
        assert {path.name: path.read_bytes() for path in source.path.iterdir()} == {
            path.name: path.read_bytes() for path in bundle.iterdir()
        }
        assert list((tmp_path / "copy").rglob("large.py")) == []
        (found,) = model.glob("data/*/network.pt2")
        (found.parent / "setup.py").write_text("")
        with pytest.raises(BundleError, match=r"^setup\.py does not belong in a model bundle"):
            fetch_model("models:/model/1", server.uri, tmp_path / "copy")
        (found.parent / "setup.py").unlink()
        with (found.parent / "metrics.json").open("ab") as file:
            file.truncate(200 * 2**20)
        with pytest.raises(BundleError, match=r"^metrics\.json is larger than 8,388,608 bytes"):
            fetch_model("models:/model/1", server.uri, tmp_path / "copy")
    finally:
        server.stop()
