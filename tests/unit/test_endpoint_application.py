"""The deployment that follows the registry, and replicas that wait for it, without Ray; with it: tests/integration."""

from types import SimpleNamespace

import pytest
import ray

from orchestrator.errors import ServingError
from orchestrator.serving.control import application, replica
from orchestrator.serving.control.coordinator import Coordinator
from orchestrator.serving.messages import AssignedModel, AssignedVersion

ARGUMENTS = {"models": ["models:/m@champion"], "auth_token_file": "/tokens"}


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
