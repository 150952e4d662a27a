"""What is looked for and not there: the sentence names the store, and nothing is made."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from support import empty_store, mixed_frame

from orchestrator.cli import main
from orchestrator.errors import NoSuchModelError
from orchestrator.tracking.models import registered_version
from orchestrator.tracking.store import client_for


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "models:/adult", "rows.csv"], "no registered model 'adult' in {store} (no models there; "),
        (["explain", "models:/adult@champion", "rows.csv"], "no registered model 'adult' in {store}"),
        (["card", "models:/adult/3"], "no registered model 'adult' in {store}"),
        (["inspect", "models:/adult"], "no registered model 'adult' in {store}"),
        (
            ["evaluate", "models:/adult", "--log-folder", ".", "--truth", "rows.csv"],
            "no registered model 'adult' in {store}",
        ),
        (["deploy", "models:/adult"], "no registered model 'adult' in {store}"),
        (["promote", "adult", "2"], "no registered model 'adult' in {store}"),
        (["promote", "adult", "--abort"], "no registered model 'adult' in {store}"),
        (["promote", "adult", "--canary", "2"], "no registered model 'adult' in {store}"),
        (["rollback", "adult"], "no registered model 'adult' in {store}"),
        (["trials", "adult"], "no sweep 'adult' in {home}/sweeps or in {store} (no sweeps there; "),
        (["trials"], "no sweep in {home}/sweeps or in {store} (no sweeps there; "),
        (["train", "--from-trial", "adult:3"], "no sweep 'adult' in {home}/sweeps or in {store}"),
        (["train", "--from-trial", "3f9a2c41"], "no trial '3f9a2c41' in {store} ("),
        (["trials", "adult", "--tracking-uri", "sqlite:///none/other.db"], "or in sqlite:///none/other.db ("),
        (["show", "adult:3"], "no sweep in {home}/sweeps"),
        (["report", "adult"], "no sweep in {home}/sweeps"),
        (["compare", "adult", "other"], "no sweep in {home}/sweeps"),
        (["export", "csv", "adult", "-o", "a.csv"], "no sweep in {home}/sweeps"),
        (["sync", "adult"], "no sweep in {home}/sweeps"),
    ],
)
def test_reading_makes_no_store_and_says_which_one_it_has_looked_at(tmp_path, monkeypatch, arguments, words):
    folder = tmp_path / "empty"
    folder.mkdir()
    home = tmp_path / "home"
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(home))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mixed_frame(5).to_csv("rows.csv", index=False)
    done = run(*arguments)
    store = f"sqlite:///{folder}/mlflow.db"
    assert done.exit_code == 2, done.output
    assert words.format(store=store, home=home) in done.output
    assert ("--tracking-uri" in done.output) == ("{store}" in words or "sqlite:" in words)
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]


@pytest.fixture
def store(tmp_path):
    uri = empty_store(tmp_path)
    client = client_for(uri)
    for version in (1, 2):
        if version == 1:
            client.create_registered_model("adult")
        client.create_model_version("adult", str(tmp_path))
    client.set_registered_model_alias("adult", "champion", "2")
    return uri


def test_what_a_registry_has_not_is_said_with_what_is_near(store):
    assert registered_version("models:/adult", store) == registered_version("models:/adult@champion", store) == "2"
    assert registered_version("models:/adult/1", store) == "1"
    for uri, words in {
        "models:/adlut": f"no registered model 'adlut' in {store} (models: adult; another store: --tracking-uri); did "
        "you mean adult?",
        "models:/adlut/1": f"no registered model 'adlut' in {store} ",
        "models:/adult@champoin": f"the registered model 'adult' in {store} has no alias 'champoin' (aliases: "
        "champion; another store: --tracking-uri); did you mean champion?",
        "models:/adult@best": "--tracking-uri); or give a version: models:/adult/2",
        "models:/adult/7": f"no version 7 of the registered model 'adult' in {store} (the latest is 2; another store: ",
    }.items():
        with pytest.raises(NoSuchModelError) as caught:
            registered_version(uri, store)
        assert words in str(caught.value)
        # as it is said by all that load a model
        assert str(caught.value) in run("card", uri, "--tracking-uri", store).output


@pytest.mark.parametrize("kind", ["kuberay", "serve-config", "systemd"])
def test_files_for_an_endpoint_are_not_written_for_a_model_that_its_store_has_not(store, tmp_path, kind):
    out = tmp_path / "out"
    refused = run("export", kind, "--model", "models:/adlut@champion", "--tracking-uri", store, "-o", out)
    assert refused.exit_code == 2 and "did you mean adult?" in refused.output and not out.exists()
    refused = run("export", kind, "--model", "models:/adult@champoin", "--tracking-uri", store, "-o", out)
    assert refused.exit_code == 2 and "did you mean champion?" in refused.output and not out.exists()
    written = run("export", kind, "--model", "models:/adult@champion", "--tracking-uri", store, "-o", out)
    assert written.exit_code == 0 and "note:" not in written.output and out.is_dir()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["compose"], "MLflow store http://mlflow:5000: "),
        (
            ["kuberay", "--tracking-uri", "http://nobody.invalid:5000"],
            "http://nobody.invalid:5000: there is no host",
        ),
        (
            ["serve-config", "--tracking-uri", "http://user:secret@127.0.0.1:9"],
            "***@127.0.0.1:9: nobody listens",
        ),
        (
            ["systemd", "--tracking-uri", "sqlite:////none/mlflow.db"],
            "sqlite:////none/mlflow.db: there is no such",
        ),
    ],
)
def test_where_nobody_can_look_the_files_are_written_with_a_note(tmp_path, monkeypatch, arguments, reason):
    monkeypatch.setenv("NO_PROXY", "*")
    done = run("export", *arguments, "--model", "models:/adult@champion", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "note: the endpoint needs models:/adult@champion, and nobody can see from here" in done.output
    assert reason in done.output and "user:" not in done.output
    assert (tmp_path / "out").is_dir()
