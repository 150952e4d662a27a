"""A model becomes one version of a registered model, wherever that is cut off, however often it is tried."""

import contextlib
import itertools

import pytest
from support import empty_store, mixed_frame, quick_model

from orchestrator.bundle import make_bundle
from orchestrator.bundle.registration import Figure
from orchestrator.tracking import tags
from orchestrator.tracking.registry import compare, read_figure, register_bundle
from orchestrator.tracking.store import client_for
from orchestrator.tracking.winner import link_model

STEPS = (
    *("create_logged_model", "log_outputs", "log_model_artifacts", "finalize_logged_model", "create_registered_model"),
    *("create_model_version", "set_logged_model_tags", "set_registered_model_tag", "set_registered_model_alias"),
    "set_model_version_tag",
)


class Killed(BaseException):
    """As a kill: nothing is tidied up."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    network, dataset = quick_model(mixed_frame(), "label")
    folder = tmp_path_factory.mktemp("registry") / "bundle"
    make_bundle(network, dataset, {"metric": "roc_auc"}).save(folder)
    return folder, dataset.schema.target.task.find_metric()


class Registry:
    """A store of its own, with a run that has a parameter."""

    def __init__(self, folder, bundle):
        self.client = client_for(empty_store(folder))
        self.folder, self.metric = bundle
        self.experiment = self.client.create_experiment("e", artifact_location=str(folder / "artifacts"))
        self.run = self.new_run()

    def new_run(self):
        run_id = self.client.create_run(self.experiment).info.run_id
        self.client.log_param(run_id, "width", 8)
        return run_id

    def figure(self, validation=0.9, test=0.8, digest="data", tie=None):
        return Figure(metric=self.metric, validation=validation, test=test, digest=digest, tie=tie or {})

    def register(self, digest="model", figure=None, run_id=None, doubt=""):
        figure = figure or self.figure()
        return register_bundle(
            self.client, run_id or self.run, "m", self.folder, figure=figure, model_digest=digest, doubt=doubt
        )

    def versions(self):
        return sorted(self.client.search_model_versions("name='m'"), key=lambda version: int(version.version))


@pytest.fixture
def registry(tmp_path, bundle):
    return Registry(tmp_path, bundle)


def kill_after(monkeypatch, number):
    """The store's n-th change is the last thing that happens; True in the list when it came to that."""
    from mlflow import MlflowClient

    calls, happened = itertools.count(1), []

    def wrap(real):
        def call(self, *args, **kwargs):
            result = real(self, *args, **kwargs)
            if next(calls) == number:
                happened.append(True)
                raise Killed
            return result

        return call

    for name in STEPS:
        monkeypatch.setattr(MlflowClient, name, wrap(getattr(MlflowClient, name)))
    return happened


def test_a_registration_that_is_killed_after_any_step_is_continued_as_one_version(registry, monkeypatch):
    for number in itertools.count(1):
        name = f"m{number}"
        with monkeypatch.context() as patch:
            happened = kill_after(patch, number)
            with contextlib.suppress(Killed):
                register_bundle(
                    registry.client, registry.run, name, registry.folder, figure=registry.figure(), model_digest=name
                )
        found = register_bundle(
            registry.client, registry.run, name, registry.folder, figure=registry.figure(), model_digest=name
        )
        again = register_bundle(
            registry.client, registry.run, name, registry.folder, figure=registry.figure(), model_digest=name
        )
        assert (found.version, again.version, found.champion, again.champion) == ("1", "1", True, True)
        assert again.existing
        (version,) = registry.client.search_model_versions(f"name='{name}'")
        assert version.run_id == registry.run
        assert version.tags[tags.DECISION].startswith("yes: ")
        assert read_figure(registry.client, name, "1") == registry.figure()
        assert str(registry.client.get_model_version_by_alias(name, "champion").version) == "1"
        models = registry.client.search_logged_models([registry.experiment], f"tags.`{tags.MODEL_DIGEST}` = '{name}'")
        assert [(model.status.name, model.model_id) for model in models] == [
            ("READY", version.source.removeprefix("models:/"))
        ]
        assert f'"{name}"' in models[0].tags["mlflow.modelVersions"]
        files = {file.path for file in registry.client.list_logged_model_artifacts(models[0].model_id)}
        assert {"MLmodel", "data"} <= files
        if not happened:
            break
    assert number == len(STEPS) + 1
    outputs = registry.client.get_run(registry.run).outputs.model_outputs
    assert len(outputs) == len({output.model_id for output in outputs}) == number


def test_the_run_of_a_sweep_leads_to_the_model_of_its_winner(registry, monkeypatch):
    listed = []
    monkeypatch.setattr("importlib_metadata.packages_distributions", lambda: listed.append(True) or {})
    sweep, found = registry.new_run(), registry.register()
    # the files of all installed packages, which takes MLflow a second
    assert not listed
    for _ in range(2):
        link_model(registry.client, sweep, found)
    (version,) = registry.versions()
    outputs = registry.client.get_run(sweep).outputs.model_outputs
    assert [f"models:/{output.model_id}" for output in outputs] == [version.source]


def test_the_same_model_of_another_run_is_not_registered_again(registry):
    first = registry.register()
    again = registry.register(run_id=registry.new_run())
    assert (first.existing, again.existing) == (False, True)
    assert again.version == first.version
    assert "registered before" in again.reason
    assert len(registry.versions()) == 1


def test_a_model_that_is_registered_already_leaves_the_champion_to_the_user(registry):
    registry.register("one")
    registry.register("two", registry.figure(validation=0.95))
    registry.client.set_registered_model_alias("m", "champion", "1")
    again = registry.register("two", registry.figure(validation=0.95))
    assert (again.version, again.champion, again.existing) == ("2", False, True)
    assert str(registry.client.get_model_version_by_alias("m", "champion").version) == "1"


def test_champions_are_chosen_on_validation_rows(registry):
    registry.register("one", registry.figure(validation=0.9, test=0.8))
    better = registry.register("two", registry.figure(validation=0.91, test=0.7))
    assert better.champion
    assert "0.91 on the validation rows against 0.9 of version 1" in better.reason
    worse = registry.register("three", registry.figure(validation=0.905, test=0.99))
    assert not worse.champion


def test_versions_without_a_validation_figure_are_compared_on_test_rows(registry):
    old, new = registry.figure(validation=None, test=0.8), registry.figure(validation=0.5, test=0.9)
    comparison = compare(new, old, "1")
    assert comparison.verdict == "better"
    assert "on the test rows" in comparison.sentence
    assert compare(registry.figure(test=None), old, "1").verdict == "incomparable"


def test_what_is_in_doubt_does_not_become_the_champion(registry):
    found = registry.register(doubt="its test figure is absurd")
    assert not found.champion
    assert "absurd" in found.reason
    assert "orchestrator promote m 1" in found.reason
    assert registry.client.get_registered_model("m").aliases == {}
    assert registry.register(doubt="its test figure is absurd").existing
    # accepted afterwards
    assert registry.register().champion
    assert len(registry.versions()) == 1


@pytest.mark.parametrize(
    ("mine", "other", "verdict"),
    [
        ({"log_loss": 0.1}, {"log_loss": 0.3}, "better"),
        ({"log_loss": 0.3}, {"log_loss": 0.1}, "worse"),
        ({"log_loss": 0.1}, {"log_loss": 0.1}, "equal"),
        ({"log_loss": 0.1}, {}, "equal"),
        ({}, {"log_loss": 0.1}, "equal"),
        ({"log_loss": 0.1}, {"rmse": 0.3}, "equal"),
    ],
)
def test_what_decides_between_equal_trials_decides_between_equal_versions(registry, mine, other, verdict):
    comparison = compare(registry.figure(tie=mine), registry.figure(tie=other), "1")
    assert comparison.verdict == verdict
    assert ("log_loss 0.1 against 0.3" in comparison.sentence) == (verdict == "better")
    # what is better by the metric is better, whatever decides between equals
    assert compare(registry.figure(0.95, tie=mine), registry.figure(tie=other), "1").verdict == "better"
    assert compare(registry.figure(0.85, tie=mine), registry.figure(tie=other), "1").verdict == "worse"


def test_an_equal_version_with_a_better_log_loss_becomes_the_champion(registry):
    assert registry.register("first", registry.figure(1.0, tie={"log_loss": 0.2})).champion
    worse = registry.register("second", registry.figure(1.0, tie={"log_loss": 0.5}), registry.new_run())
    assert not worse.champion
    better = registry.register("third", registry.figure(1.0, tie={"log_loss": 0.01}), registry.new_run())
    assert better.champion
    assert "log_loss 0.01 against 0.2" in better.reason
    assert read_figure(registry.client, "m", "3") == registry.figure(1.0, tie={"log_loss": 0.01})
