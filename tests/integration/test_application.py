"""The endpoint as an application that Ray Serve starts from a configuration, as KubeRay does with a RayService."""

import contextlib
import time

import httpx
import pytest
from support import empty_store, free_port, mixed_frame, train_bundle

from orchestrator.bundle.registration import Figure
from orchestrator.serving.control.application import IMPORT_PATH
from orchestrator.serving.control.coordinator import COORDINATOR, NAMESPACE
from orchestrator.tasks import metric_named
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.rollout import read_rollout
from orchestrator.tracking.store import client_for

TOKEN = "0123456789abcdef0123456789abcdef"
SECONDS = 120


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A store with two versions of a model."""
    folder = tmp_path_factory.mktemp("registry")
    uri = empty_store(folder)
    client = client_for(uri)
    experiment = client.create_experiment("mixed", artifact_location=str(folder / "artifacts"))
    train_bundle(mixed_frame(), "label", folder / "bundle")
    figure = Figure(metric=metric_named("roc_auc"), validation=0.9, test=0.9, digest="same")
    for _ in range(2):
        run = client.create_run(experiment).info.run_id
        register_bundle(client, run, "mixed", folder / "bundle", figure=figure, model_digest=run)
    client.set_registered_model_alias("mixed", "champion", "1")
    return uri


@pytest.fixture(scope="module")
def serve_client(ray_cluster):
    import ray
    from ray import serve
    from ray.serve.context import _get_global_client

    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"log_level": "ERROR"})
    yield _get_global_client(), f"http://127.0.0.1:{port}"
    serve.shutdown()
    with contextlib.suppress(ValueError):
        ray.kill(ray.get_actor(COORDINATOR, namespace=NAMESPACE))


def wait_for(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def deployed(client, **arguments):
    """What Ray Serve says of the application with these arguments, as soon as it runs or has failed."""
    from ray.serve.schema import ServeDeploySchema

    application = {"name": "endpoint", "route_prefix": "/", "import_path": IMPORT_PATH, "args": arguments}
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}))
    status = []

    def ended():
        status[:] = [client.get_serve_status("endpoint").app_status]
        return status[0].status in ("RUNNING", "DEPLOY_FAILED")

    wait_for(ended)
    return status[0]


def test_an_application_of_a_configuration_answers_and_follows_the_registry(registry, serve_client, tmp_path):
    import ray

    serve, url = serve_client
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    tokens.chmod(0o600)
    arguments = {"models": ["models:/mixed@champion"], "tracking_uri": registry}

    status = deployed(serve, **arguments)
    assert status.status == "DEPLOY_FAILED" and "name a file of tokens" in status.message

    status = deployed(serve, **arguments, auth_token_file=str(tokens))
    assert status.status == "RUNNING", status.message
    row = mixed_frame().drop(columns="label").iloc[0].dropna().to_dict()
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/predict", json=row).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        asked = lambda: client.post("/predict", json=row).json()["model"]["version"]  # noqa: E731
        assert asked() == "1"
        client_for(registry).set_registered_model_alias("mixed", "champion", "2")
        wait_for(lambda: asked() == "2")

        # the process that follows the registry is lost, and with it the numbers of what it has published
        coordinator = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
        number = ray.get(coordinator.assignment.remote()).number
        (lost,) = [actor for actor in ray.util.list_named_actors(all_namespaces=True) if "#registry#" in actor["name"]]
        ray.kill(ray.get_actor(lost["name"], namespace=lost["namespace"]))
        wait_for(lambda: ray.get(coordinator.assignment.remote()).number > number)
        client_for(registry).set_registered_model_alias("mixed", "champion", "1")
        wait_for(lambda: asked() == "1")
        assert read_rollout(client_for(registry), "mixed").champion == "1"
        assert "orchestrator_replicas 1" in client.get("/metrics").text
