"""The deployment that follows the registry, and replicas that wait for it, without Ray; with it: tests/integration."""

from dataclasses import fields
from types import SimpleNamespace

import pytest
import ray

from orchestrator.config import ServeConfig
from orchestrator.errors import ServingError
from orchestrator.serving.control import application, replica
from orchestrator.serving.control.coordinator import Coordinator
from orchestrator.serving.messages import AssignedModel, AssignedVersion
from orchestrator.serving.settings import EndpointSettings, RequestLimits

ARGUMENTS = {"models": ["models:/m@champion"], "auth_token_file": "/tokens"}
# what is used where the endpoint is started, and by Ray Serve
NOT_FOR_REPLICAS = {
    *("models", "name", "port", "grpc_port", "tracking_uri", "address", "min_replicas", "max_replicas"),
    *("downscale_delay", "execution", "ingress", "insecure", "tls_cert", "tls_key"),
}
# another value than the default, and what has to be said with it
FOR_REPLICAS = {
    "host": {"host": "10.0.0.1"},
    "max_queue": {"max_queue": 7},
    "max_rows": {"max_rows": 7},
    "max_body": {"max_body": 7},
    "timeout": {"timeout": "7s"},
    "auth_token_file": {"auth_token_file": "/tokens"},
    "cors_origins": {"cors_origins": ["https://shop.example"]},
    "allowed_hosts": {"allowed_hosts": ["shop.example"]},
    "log_folder": {"log_folder": "/log", "log_share": 0.5},
    "log_share": {"log_folder": "/log", "log_share": 0.5},
    "log_keep": {"log_folder": "/log", "log_share": 0.5, "log_keep": "7d"},
    "log_drop": {"log_folder": "/log", "log_share": 0.5, "log_drop": ["age"]},
    "explain": {"explain": True},
}
# what cannot be left out alone
OTHERWISE = {"log_folder": {"log_folder": "/other"}, "log_share": {"log_share": 1.0}}


def told(**options):
    return application.settings_of(ServeConfig.create(models=["m"], **options), local=True)


def test_each_option_is_for_replicas_or_for_those_that_start_them():
    assert sorted([*FOR_REPLICAS, *NOT_FOR_REPLICAS]) == sorted(ServeConfig.model_fields)


@pytest.mark.parametrize("name", FOR_REPLICAS)
def test_an_option_for_replicas_reaches_them(name):
    options = FOR_REPLICAS[name]
    without = {other: value for other, value in options.items() if other != name}
    if name in OTHERWISE:
        without |= OTHERWISE[name]
    assert told(**options) != told(**without)


def test_replicas_are_told_nothing_but_options_and_where_they_are():
    every = {name: value for options in FOR_REPLICAS.values() for name, value in options.items()}
    found, plain = told(**every), EndpointSettings()
    assert {field.name for field in fields(found) if getattr(found, field.name) == getattr(plain, field.name)} == {
        "failure_status"
    }
    limits = fields(RequestLimits)
    assert all(getattr(found.limits, field.name) != getattr(plain.limits, field.name) for field in limits)


class LocalActor:
    """An object in this process, called as an actor is."""

    def __init__(self, plain):
        self._plain = plain

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self._plain, name))


@pytest.fixture
def coordinator(monkeypatch):
    """A coordinator that others may have used before."""
    plain = Coordinator()
    handle = LocalActor(plain)
    made = SimpleNamespace(options=lambda **_options: SimpleNamespace(remote=lambda: handle))
    monkeypatch.setattr(ray, "remote", lambda _kind: made)
    monkeypatch.setattr(ray, "get", lambda answer, **_options: answer)
    monkeypatch.setattr(ray, "get_actor", lambda _name, **_options: handle)
    return plain


def assigned(tmp_path, version):
    return {"m": AssignedModel(AssignedVersion(version, f"key-{version}", tmp_path))}


def test_who_follows_the_registry_anew_is_heard_although_another_one_was_before(coordinator, tmp_path, monkeypatch):
    coordinator.publish(7, assigned(tmp_path, "1"))
    watcher = SimpleNamespace(models={}, all_served=lambda: [], served=dict, assigned=lambda: assigned(tmp_path, "2"))
    watcher.follow = lambda *_arguments: None
    monkeypatch.setattr(application, "prepared", lambda _config, _place: watcher)
    registry = application.Registry(ARGUMENTS)
    assert coordinator.assignment().models["m"].champion.version == "2"
    assert coordinator.assignment().number == 8
    registry.check_health()
    place = registry._place
    registry.__del__()
    registry._following.join()
    assert not place.exists()
    with pytest.raises(ServingError, match="not followed any more"):
        registry.check_health()


def test_a_replica_waits_until_somebody_says_what_is_served(coordinator, tmp_path, monkeypatch):
    monkeypatch.setattr(replica, "FINISH_SECONDS", 0.0)
    handle, looks = ray.get_actor("any"), []

    def look(_name, **_options):
        looks.append(len(looks))
        if len(looks) == 1:
            raise ValueError("there is no such actor")
        if len(looks) == 3:
            coordinator.publish(1, assigned(tmp_path, "1"))
        return handle

    monkeypatch.setattr(ray, "get_actor", look)
    found, assignment = replica.first_assignment()
    assert (found, assignment.number, len(looks)) == (handle, 1, 3)
    monkeypatch.setattr(replica, "MODEL_SECONDS", 0.0)
    with pytest.raises(ServingError, match="nobody has said"):
        replica.first_assignment()


def test_ray_serve_makes_an_application_of_the_arguments():
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
    from ray.serve._private.build_app import build_app

    made = call_user_app_builder_with_args_if_necessary(application.endpoint, {**ARGUMENTS, "min_replicas": 2})
    built = build_app(made, name="endpoint")
    assert {deployment.name: deployment.num_replicas for deployment in built.deployments} == {
        "registry": 1,
        "endpoint": 2,
    }
    assert built.ingress_deployment_name == "endpoint"
