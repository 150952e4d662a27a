"""Sweeps over a real Ray, tracked in a real MLflow server over HTTP."""

import os
import time

import numpy as np
import pandas as pd
import pytest
from support import TrackingServer, free_port, mixed_frame

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError, TrackingError
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.tracking.sweep_leaderboard import read_leaderboard

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = TrackingServer(tmp_path_factory.mktemp("mlflow"))
    found.start()
    yield found.uri
    found.stop()


def client_of(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


def children(uri, result):
    client = client_of(uri)
    experiment = client.get_run(result.run_id).info.experiment_id
    return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{result.run_id}'", max_results=1000)


def test_a_sweep_is_complete_in_mlflow_and_its_winner_answers_everywhere(server, monkeypatch):
    import mlflow

    result = orchestrator.sweep("sklearn:iris", space="quick", trials=8, tracking_uri=server, seed=1)
    assert len(result.trials) == 8
    assert {trial.status for trial in result.trials} <= {"finished", "stopped"}
    assert result.test["accuracy"] > 0.8

    client, runs = client_of(server), children(server, result)
    assert len(runs) == 8
    by_index = {int(run.data.tags["orchestrator.trial"]): run for run in runs}
    for trial in result.trials:
        run = by_index[trial.index]
        history = client.get_metric_history(run.info.run_id, "validation_log_loss")
        assert [point.step for point in history] == list(range(1, trial.epochs + 1))
        assert run.info.status == "FINISHED"
        assert run.data.tags["orchestrator.status"] == trial.status
        assert run.data.metrics["objective"] == trial.value
        assert run.data.params["learning_rate"] == str(trial.spec.learning_rate)
        assert run.inputs.dataset_inputs[0].dataset.name == "iris"
    parent = client.get_run(result.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test_log_loss"] == result.test["log_loss"]
    assert parent.data.tags["orchestrator.model"] == "models:/iris/1"

    board = read_leaderboard(None, server)
    assert board.run_id == result.run_id
    assert board.trials[0].trial == result.best.index
    values = [row.value for row in board.trials]
    assert values == sorted(values)
    assert read_leaderboard("iris", server).run_id == read_leaderboard(result.run_id[:8], server).run_id
    # the journal and MLflow tell the same
    assert read_leaderboard(result.id, with_runs=True) == board

    frame = orchestrator.load_table("sklearn:iris").frame
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    loaded = mlflow.pyfunc.load_model("models:/iris@champion")
    wanted = result.bundle.predict(frame)
    found = loaded.predict(frame.sample(frac=1, axis=1, random_state=0))
    assert found["label"].tolist() == wanted["label"].tolist()
    for column in wanted.columns[1:]:
        assert np.allclose(found[column], wanted[column], atol=1e-5)
        alone = loaded.predict(frame.head(1))
        assert np.allclose(alone[column], wanted[column][:1], atol=1e-5)


def test_champion_only_moves_to_a_better_model(server):
    options = {"space": "quick", "tracking_uri": server, "name": "gate", "scheduler": "none", "trials": 1}
    weak = orchestrator.sweep("sklearn:wine", epochs=1, **options)
    assert weak.registration.champion
    assert "first champion" in weak.registration.reason
    strong = orchestrator.sweep("sklearn:wine", epochs=25, **options)
    assert strong.registration.champion
    assert "beats the champion" in strong.registration.reason
    options = {"tracking_uri": server, "name": "gate"}
    again = orchestrator.train("sklearn:wine", parameters={"epochs": 1}, **options)
    assert not again.registration.champion
    assert "does not beat" in again.registration.reason
    other_data = orchestrator.train("sklearn:wine", ignore=("alcohol",), **options)
    assert not other_data.registration.champion
    assert "other data" in other_data.registration.reason
    other_metric = orchestrator.train("sklearn:wine", metric="accuracy", **options)
    assert not other_metric.registration.champion
    assert "chosen by log_loss" in other_metric.registration.reason
    assert client_of(server).get_model_version_by_alias("gate", "champion").version == "2"


def test_trials_that_diverge_or_raise_fail_with_a_reason_and_the_sweep_goes_on(server, tmp_path, monkeypatch):
    (tmp_path / "moody.py").write_text(
        "import os, torch\n"
        "class Moody(torch.nn.Module):\n"
        "    def __init__(self, shape, settings):\n"
        "        super().__init__()\n"
        "        self.mood = settings['mood']\n"
        "        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)\n"
        "    def forward(self, numeric, categorical):\n"
        "        if self.training and self.mood == 'raises':\n"
        "            raise ValueError('not today')\n"
        "        if self.training and self.mood == 'dies':\n"
        "            os._exit(3)\n"
        "        scale = float('nan') if self.training and self.mood == 'diverges' else 1.0\n"
        "        return scale * self.layer(numeric)\n"
    )
    space = tmp_path / "space.yaml"
    space.write_text(
        "epochs: 2\nparameters: {batch_size: 32}\narchitectures:\n  moody:Moody:\n"
        "    mood: {type: categorical, choices: [raises, fine, diverges, dies]}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    result = orchestrator.sweep(
        "sklearn:iris", name="moody", space=str(space), algorithm="grid", scheduler="none", tracking_uri=server
    )
    outcome = {trial.spec.settings["mood"]: trial for trial in result.trials}
    assert {mood: trial.status for mood, trial in outcome.items()} == {
        "raises": "failed",
        "fine": "finished",
        "diverges": "failed",
        "dies": "failed",
    }
    assert outcome["raises"].reason == "ValueError: not today"
    assert outcome["diverges"].reason == "the training loss became not a number in epoch 1"
    assert "process of the trial was lost (it is gone without a word, as after signal 9" in outcome["dies"].reason
    assert result.best is outcome["fine"]
    statuses = {run.data.tags["orchestrator.status"]: run.info.status for run in children(server, result)}
    assert statuses == {"failed": "FAILED", "finished": "FINISHED"}
    reasons = {run.data.tags.get("orchestrator.reason") for run in children(server, result)}
    assert "ValueError: not today" in reasons
    # the bundle needs the class no more
    assert len(result.bundle.predict(orchestrator.load_table("sklearn:iris").frame)) == 150


def test_a_sweep_without_any_result_says_why(server):
    def failing_training(spec, dataset, **_):
        raise RuntimeError("out of luck")
        yield

    config = SweepConfig.create(data="sklearn:iris", name="luckless", space="quick", trials=3, tracking_uri=server)
    with pytest.raises(ExecutionError, match="3 of 3 ended with: RuntimeError: out of luck"):
        run_sweep(config, None, Hooks(train=failing_training))
    client = client_of(server)
    experiment = client.get_experiment_by_name("luckless").experiment_id
    statuses = sorted(run.info.status for run in client.search_runs([experiment]))
    assert statuses == ["FAILED"] * 4


def test_a_trial_that_is_trained_again_gives_the_same_metrics_to_the_last_bit(store, tmp_path):
    mixed_frame(300).to_csv(tmp_path / "mixed.csv", index=False)
    options = {"target": "label", "categorical": ("day",), "trials": 2, "epochs": 6, "tracking_uri": store}
    result = orchestrator.sweep(str(tmp_path / "mixed.csv"), register_model=False, **options)
    run_ids = {int(run.data.tags["orchestrator.trial"]): run.info.run_id for run in children(store, result)}
    for trial, selector in zip(result.trials, ("mixed:0", run_ids[1][:8]), strict=True):
        again = orchestrator.reproduce(selector, tracking_uri=store, register_model=False)
        assert (again.difference, again.reasons, again.epochs) == (None, (), trial.epochs)
        assert again.result.spec == trial.spec
        assert again.result.report.validation == trial.report.validation
    assert again.result.bundle.schema.columns == result.bundle.schema.columns

    mixed_frame(300, seed=1).to_csv(tmp_path / "mixed.csv", index=False)
    again = orchestrator.reproduce("mixed:0", tracking_uri=store, register_model=False)
    assert "of epoch 1 is" in again.difference
    assert "the data has changed" in again.reasons[0]
    with pytest.raises(TrackingError, match="has no trial 7"):
        orchestrator.reproduce("mixed:7", tracking_uri=store)


def test_what_a_listener_raises_ends_the_sweep_as_it_is(store):
    def listener(record, trial_table):
        raise LookupError("nobody listens")

    config = SweepConfig.create(data="sklearn:iris", name="deaf", space="quick", trials=3, tracking_uri=store)
    with pytest.raises(LookupError, match="nobody listens"):
        run_sweep(config, None, Hooks(listener))
    resumed = orchestrator.resume("deaf")
    assert {trial.status for trial in resumed.trials} <= {"finished", "stopped"}
    assert len(resumed.trials) == 3


def test_the_time_budget_ends_a_sweep(store):
    started = time.monotonic()
    result = orchestrator.sweep(
        "sklearn:digits",
        space="tabular",
        epochs=1000,
        patience=0,
        scheduler="none",
        time_budget="15s",
        tracking_uri=store,
    )
    assert time.monotonic() - started < 120
    assert any("time budget" in trial.reason for trial in result.trials)
    assert result.registration.champion


def test_the_grid_runs_each_configuration_once(store):
    result = orchestrator.sweep(
        "sklearn:iris", space="learning_rate", algorithm="grid", scheduler="none", epochs=2, tracking_uri=store
    )
    rates = sorted(trial.spec.learning_rate for trial in result.trials)
    assert rates == pytest.approx(list(np.geomspace(1e-4, 1e-1, 7)))


def test_the_same_seed_draws_the_same_trials(store):
    def specs(seed):
        result = orchestrator.sweep(
            "sklearn:iris",
            name=f"seed-{seed}",
            concurrency=1,
            space="quick",
            algorithm="random",
            scheduler="none",
            epochs=1,
            trials=4,
            seed=seed,
            tracking_uri=store,
            register_model=False,
        )
        return [trial.spec for trial in result.trials]

    drawn = specs(5)
    assert specs(5) == drawn
    assert specs(6)[1:] != drawn[1:]


def test_a_data_frame_with_all_kinds_of_columns_ends_as_a_model(store):
    result = orchestrator.sweep(mixed_frame(400), target="label", name="mixed", trials=3, epochs=5, tracking_uri=store)
    assert result.test["roc_auc"] > 0.7
    answers = result.bundle.predict(pd.DataFrame([{"number": 3, "color": "violet", "flag": None, "day": "2020-01-01"}]))
    assert answers["label"][0] in ("high", "low")


def test_an_unreachable_server_is_one_sentence_before_anything_trains():
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    try:
        with pytest.raises(TrackingError, match="no server answers there"):
            orchestrator.sweep("sklearn:iris", space="quick", tracking_uri=f"http://127.0.0.1:{free_port()}")
    finally:
        del os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def test_mlflows_settings_are_left_as_they_were(store, monkeypatch):
    import mlflow

    for given in (None, "sqlite:////tmp/of-the-user.db"):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if given:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        orchestrator.train("sklearn:iris", parameters={"epochs": 1}, name="settings", tracking_uri=store)
        assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before
        assert os.environ.get("MLFLOW_TRACKING_URI") == given
        assert "MLFLOW_REGISTRY_URI" not in os.environ


def test_a_registry_of_its_own_is_used(store, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from orchestrator.tracking.models import fetch_model

    registry = f"sqlite:///{tmp_path}/registry.db"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    result = orchestrator.train("sklearn:iris", parameters={"epochs": 1}, name="apart", tracking_uri=store)
    assert result.registration.champion
    version = MlflowClient(registry_uri=registry).get_model_version_by_alias("apart", "champion").version
    assert str(version) == "1"
    (tmp_path / "copy").mkdir()
    assert (fetch_model("models:/apart@champion", store, tmp_path / "copy").path / "schema.json").is_file()


def test_train_tracks_one_run_and_registers(store):
    result = orchestrator.train(
        "sklearn:diabetes", parameters={"depth": 1, "width": 8, "epochs": 5}, name="one", tracking_uri=store
    )
    run = client_of(store).get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["width"] == "8"
    assert len(client_of(store).get_metric_history(result.run_id, "train_loss")) == 5
    assert result.registration.champion
