"""Sweeps over a real Ray, tracked in a real MLflow server over HTTP."""

import ast
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import ray
from documents import page_blocks
from support import TrackingServer, free_port, mixed_frame

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.data import load_table
from orchestrator.errors import DataError, ExecutionError, TrackingError
from orchestrator.estimators.running import searched
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.planning import plan_sweep
from orchestrator.runtime.sweep_metrics import with_metrics
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.runtime.untracked import Untracked
from orchestrator.search import Proposals, trial_seed
from orchestrator.serving.control.deployments import list_deployments
from orchestrator.tracking.sweep_leaderboard import read_leaderboard
from orchestrator.training import train_trial

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

    # other tests may register the same model under the name of its data
    options = {"name": "complete", "space": "quick", "trials": 4, "seed": 1, "concurrency": 1}
    result = orchestrator.sweep("sklearn:iris", tracking_uri=server, **options)
    assert len(result.trials) == 4
    assert {trial.status for trial in result.trials} <= {"finished", "stopped"}
    # the first draws follow from the seed alone
    plan = plan_sweep(SweepConfig.create(data="sklearn:iris", **options))
    search = Proposals(plan.searcher, plan.sampler, plan.metric, plan.points)
    assert [trial.spec for trial in result.trials] == [search.draw().spec for _ in result.trials]
    assert [trial.spec.seed for trial in result.trials] == [trial_seed(1, index) for index in range(4)]
    assert result.test["accuracy"] > 0.8

    client, runs = client_of(server), children(server, result)
    assert len(runs) == 4
    by_index = {int(run.data.tags["orchestrator.trial"]): run for run in runs}
    for trial in result.trials:
        run = by_index[trial.index]
        history = client.get_metric_history(run.info.run_id, "validation_log_loss")
        assert [point.step for point in history] == list(range(1, trial.epochs + 1))
        assert run.info.status == "FINISHED"
        assert run.data.tags["orchestrator.status"] == trial.status
        assert run.data.metrics["objective"] == trial.value
        assert run.data.params["learning_rate"] == str(trial.spec.learning_rate)
        assert run.inputs.dataset_inputs[0].dataset.name == "complete"
    parent = client.get_run(result.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test_log_loss"] == result.test["log_loss"]
    assert parent.data.tags["orchestrator.model"] == "models:/complete/1"

    board = read_leaderboard(None, server)
    assert board.run_id == result.run_id
    assert board.trials[0].trial == result.best.index
    values = [row.value for row in board.trials]
    assert values == sorted(values)
    assert read_leaderboard("complete", server).run_id == read_leaderboard(result.run_id[:8], server).run_id
    # the journal and MLflow tell the same
    told = read_leaderboard(result.id, with_runs=True)
    # what only the journal knows, beside MLflow's metric of the best epoch
    only = {"epochs": None, "train_seconds": None, "attempts": None, "start": None, "end": None}
    rows = tuple(replace(row, **only, metrics={board.metric: row.metrics[board.metric]}) for row in told.trials)
    assert replace(told, trials=rows) == board

    frame = orchestrator.load_table("sklearn:iris").frame
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    loaded = mlflow.pyfunc.load_model("models:/complete@champion")
    wanted = result.bundle.predict(frame)
    found = loaded.predict(frame.sample(frac=1, axis=1, random_state=0))
    assert found["label"].tolist() == wanted["label"].tolist()
    for column in wanted.columns[1:]:
        assert np.allclose(found[column], wanted[column], atol=1e-5)
        alone = loaded.predict(frame.head(1))
        assert np.allclose(alone[column], wanted[column][:1], atol=1e-5)


def test_champion_only_moves_to_a_better_model(server):
    options = {"tracking_uri": server, "name": "gate"}
    weak = orchestrator.train("sklearn:wine", parameters={"epochs": 1}, **options)
    assert weak.registration.champion
    assert "first champion" in weak.registration.reason
    strong = orchestrator.sweep("sklearn:wine", space="quick", epochs=25, trials=1, **options)
    assert strong.registration.champion
    assert "beats the champion" in strong.registration.reason
    again = orchestrator.train("sklearn:wine", parameters={"epochs": 1, "learning_rate": 1e-5}, **options)
    assert not again.registration.champion
    assert "does not beat" in again.registration.reason
    other_data = orchestrator.train("sklearn:wine", ignore=("alcohol",), **options)
    assert not other_data.registration.champion
    assert "other data" in other_data.registration.reason
    other_metric = orchestrator.train("sklearn:wine", metric="accuracy", **options)
    assert not other_metric.registration.champion
    assert "chosen by log_loss" in other_metric.registration.reason
    assert client_of(server).get_model_version_by_alias("gate", "champion").version == "2"


def test_a_sweep_without_any_result_says_why(server):
    def failing_training(spec, dataset, **_):
        raise RuntimeError("out of luck")
        yield

    config = SweepConfig.create(
        data="sklearn:iris", name="luckless", space="quick", trials=3, tracking_uri=server, concurrency=1
    )
    with pytest.raises(ExecutionError, match="3 of 3 ended with: RuntimeError: out of luck"):
        run_sweep(config, None, Hooks(train=failing_training))
    client = client_of(server)
    experiment = client.get_experiment_by_name("luckless").experiment_id
    statuses = sorted(run.info.status for run in client.search_runs([experiment]))
    assert statuses == ["FAILED"] * 4


def test_a_trial_that_is_trained_again_gives_the_same_metrics_to_the_last_bit(store, tmp_path):
    mixed_frame(300).to_csv(tmp_path / "mixed.csv", index=False)
    options = {"target": "label", "categorical": ("day",), "trials": 2, "epochs": 4, "concurrency": 1}
    options |= {"folds": 2}
    result = orchestrator.sweep(str(tmp_path / "mixed.csv"), register_model=False, tracking_uri=store, **options)
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

    config = SweepConfig.create(
        data="sklearn:iris", name="deaf", space="quick", trials=2, tracking_uri=store, concurrency=1
    )
    with pytest.raises(LookupError, match="nobody listens"):
        run_sweep(config, None, Hooks(on_trial=listener))
    resumed = orchestrator.resume("deaf")
    assert {trial.status for trial in resumed.trials} <= {"finished", "stopped"}
    assert len(resumed.trials) == 2


def test_the_time_budget_ends_a_sweep(store):
    def slowly(spec, dataset, **more):
        for report in train_trial(spec, dataset, **more):
            time.sleep(0.2)
            yield report

    started = time.monotonic()
    config = SweepConfig.create(
        data="sklearn:iris",
        space="quick",
        epochs=1000,
        patience=0,
        scheduler="none",
        time_budget="8s",
        concurrency=1,
        tracking_uri=store,
    )
    result = run_sweep(config, None, Hooks(train=slowly))
    assert time.monotonic() - started < 120
    assert any("time budget" in trial.reason for trial in result.trials)
    assert result.registration.champion


def test_a_data_frame_with_all_kinds_of_columns_ends_as_a_model(store):
    options = {"target": "label", "name": "mixed", "trials": 2, "epochs": 5, "concurrency": 1, "ensemble": "none"}
    frame = mixed_frame(400)
    parts = {"validation": frame[250:320], "test": frame[320:]}
    assert len(parts["test"]) == 80
    result = orchestrator.sweep(frame[:250], tracking_uri=store, **parts, **options)
    assert result.test["roc_auc"] > 0.7
    assert result.bundle.metrics["rows"] == {"train": 250, "validation": 70, "test": 80}
    with pytest.raises(DataError, match=r"from Python: orchestrator.resume\(SWEEP, validation=frame, test=frame\)"):
        orchestrator.resume(result.id, data=frame[:250], trials="+1")
    longer = orchestrator.resume(result.id, data=frame[:250], **parts, trials="+1")
    assert len(longer.trials) == 3
    again = orchestrator.reproduce("mixed:2", data=frame[:250], **parts, tracking_uri=store, register_model=False)
    assert again.difference is None
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
    # and go on to follow the environment
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////tmp/another-of-the-user.db")
    assert mlflow.get_tracking_uri() == "sqlite:////tmp/another-of-the-user.db"


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
    assert "# Model card: models:/one@champion" in result.bundle.card
    assert "| split | drawn by chance" in client_of(store).get_model_version("one", "1").description


def test_what_the_documentation_shows_of_sweeps_in_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    snippets = [block for block in page_blocks() if block.language == "python" and "docs/python.md" in block.place]
    names = {}
    exec(compile(snippets[0].text, snippets[0].place, "exec"), names)
    assert "accuracy" in capsys.readouterr().out
    assert names["result"].registration.champion
    assert set(names["result"].learning_curves["trial"]) == {0, 1}
    assert (tmp_path / "flowers.html").stat().st_size > 1_000_000
    assert (tmp_path / "flowers" / "schema.json").is_file()
    exec(compile(snippets[1].text.replace("8123", str(free_port())), snippets[1].place, "exec"), names)
    (answer,) = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])["predictions"]
    assert set(answer["probabilities"]) == {"setosa", "versicolor", "virginica"}
    assert "flowers" not in [deployment.name for deployment in list_deployments()]


def test_trials_in_this_process_and_on_ray_have_the_same_settings_and_figures_inside_of_an_event_loop_too():
    table = load_table(mixed_frame())

    def found(*, alone):
        config = SweepConfig.create(
            data="data frame",
            target="label",
            task="binary",
            trials=4,
            epochs=3,
            seed=5,
            algorithm="random",
            scheduler="none",
            concurrency=1 if alone else 2,
        )
        return searched(config, table, Hooks(), alone=alone)

    async def in_a_notebook():
        return found(alone=False)

    alone, on_ray = found(alone=True), asyncio.run(in_a_notebook())
    assert (alone.slots, on_ray.slots) == (1, 2)
    assert [trial.spec for trial in on_ray.trials] == [trial.spec for trial in alone.trials]
    reports = [
        [(trial.report.train_loss, trial.report.best_value, trial.report.best_epoch) for trial in result.trials]
        for result in (alone, on_ray)
    ]
    np.testing.assert_allclose(reports[1], reports[0], rtol=1e-6)
    assert on_ray.test == pytest.approx(alone.test, rel=1e-6)
    # the Ray that was there before stays
    assert ray.is_initialized()


def test_a_ray_of_our_own_shows_no_metrics():
    untouched = Hooks()
    with with_metrics(untouched, Untracked()) as hooks:
        assert hooks is untouched


# prints the processes that have started with Ray, and then that of an actor in a placement group of all cores
WAITING = """
import json, os, time
import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from orchestrator.cluster import ray_session

class Trial:
    def process(self):
        return os.getpid()

with ray_session(num_cpus=1):
    # more than the second that is Ray's own
    time.sleep(2)
    group = placement_group([{"CPU": 1}])
    assert group.wait(60)
    time.sleep(1)
    options = {"num_cpus": 1, "scheduling_strategy": PlacementGroupSchedulingStrategy(group)}
    actor = ray.remote(Trial).options(**options).remote()
    pid = ray.get(actor.process.remote())
    raylet = ray._private.worker._global_node.get_logs_dir_path() + "/raylet.out"
    started = [line for line in open(raylet) if "Started worker process with pid" in line]
    print(json.dumps([len(started), f"pid {pid} " in started[0]]))
"""


def test_a_worker_that_waits_is_not_ended_before_a_trial_asks_for_it():
    """A placement group takes all cores first; Ray as it is would end workers in between."""
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=200, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [1, True]
