"""An endpoint as an application of Ray Serve, for who starts it from a configuration: KubeRay, or `serve deploy`.

    import_path: orchestrator.serving.control.application:endpoint
    args: {models: ["models:/adult@champion"], tracking_uri: http://mlflow:5000, auth_token_file: /etc/tokens/tokens}

`orchestrator deploy` has a process that follows the registry as long as it answers. Here a deployment of its own does:
where it runs, and that it is started again, is Ray Serve's business.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import ServeConfig
from orchestrator.errors import ServingError, UsageError
from orchestrator.serving.http.browsers import allowed_hosts
from orchestrator.serving.settings import EndpointSettings, RequestLimits

if TYPE_CHECKING:
    from orchestrator.serving.control.registry_watcher import RegistryWatcher

logger = logging.getLogger(__name__)
IMPORT_PATH = "orchestrator.serving.control.application:endpoint"
# what the configuration of Ray Serve says, or its ingress
ELSEWHERE = {
    "name": "the name of the application",
    "host": "http_options",
    "port": "http_options",
    "grpc_port": "grpc_options",
    "address": "the cluster that is asked",
    "ingress": "the cluster, whose proxies listen",
    "tls_cert": "the ingress in front of the cluster",
    "tls_key": "the ingress in front of the cluster",
}
FIRST_NUMBER_SECONDS = 120.0


def settings_of(config: ServeConfig, *, local: bool, failure_status: int = 500) -> EndpointSettings:
    """What replicas are told.

    Args:
        config: of the endpoint.
        local: whether nothing outside of this machine has to reach the replicas.
        failure_status: sent instead of 500 to an ingress that makes 500 of it.
    """
    return EndpointSettings(
        limits=RequestLimits(config.max_body, config.max_rows, config.max_queue, config.timeout.total_seconds()),
        token_file=str(Path(config.auth_token_file).resolve()) if config.auth_token_file else None,
        cors_origins=config.cors_origins,
        hosts=allowed_hosts(config),
        local=local,
        log_folder=str(Path(config.log_folder).resolve()) if config.log_folder else None,
        log_share=config.log_share,
        log_keep=config.log_keep,
        log_drop=config.log_drop,
        explain=config.explain,
        failure_status=failure_status,
    )


def arguments_of(config: ServeConfig) -> dict[str, Any]:
    """The `args` that give this configuration: what is not as it would be anyway."""
    return config.model_dump(mode="json", exclude_defaults=True, exclude=set(ELSEWHERE))


def config_of(arguments: Mapping[str, Any]) -> ServeConfig:
    """The configuration that `args` give.

    Raises:
        ConfigError: an entry is not valid.
        UsageError: one is said elsewhere; or everybody on the network would be answered.
    """
    for name, where in ELSEWHERE.items():
        if name in arguments:
            raise UsageError(f"args: {name} is not said here; {where} has it")
    config = ServeConfig.create(**arguments)
    if not config.auth_token_file and not config.insecure:
        raise UsageError(
            "args: everybody on the network could ask; name a file of tokens that is on every node as auth_token_file, "
            "or say insecure: true if that is meant"
        )
    if not config.auth_token_file and not config.allowed_hosts:
        raise UsageError("args: insecure needs allowed_hosts, the names by which the endpoint is asked; '*' for any")
    return config


def endpoint(arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    """The application; Ray Serve calls this, see `import_path` above.

    Args:
        arguments: fields of `ServeConfig`.

    Raises:
        ConfigError, UsageError: see `config_of`.
    """
    from ray import serve

    from orchestrator.serving.control.replica import serve_application

    config = config_of(arguments)
    # the first one prepares models, which takes seconds of a core; afterwards it asks the registry now and then
    registry = serve.deployment(Registry, name="registry").options(
        num_replicas=1,
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=10,
        health_check_timeout_s=60,
        graceful_shutdown_timeout_s=5,
        # one that cannot start, because there is no such model, leaves the one before it
        max_surge_percent=100,
    )
    delay = config.downscale_delay.total_seconds()
    return serve_application(settings_of(config, local=False), config.replicas, delay, registry.bind(arguments))


class Registry:
    """The deployment that says what replicas serve: what the MLflow registry says, prepared once for all of them."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        """Fetches, checks and prepares the models, and follows the registry from then on.

        Raises:
            UsageError, TrackingError: there is no such model.
            BundleError, GateError: one is not safe, damaged, or does not answer as it did when it was made.
        """
        import ray

        from orchestrator.serving.control.coordinator import COORDINATOR, NAMESPACE, Coordinator
        from orchestrator.serving.control.publishing import Publisher

        config = config_of(arguments)
        self._stop = threading.Event()
        self._place = Path(tempfile.mkdtemp(prefix="orchestrator-endpoint-"))
        watcher = prepared(config, self._place)
        # it outlives this process, so that replicas can go on counting
        coordinator = (
            ray.remote(Coordinator)
            .options(
                name=COORDINATOR,
                namespace=NAMESPACE,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                lifetime="detached",
                get_if_exists=True,
            )
            .remote()
        )
        number = ray.get(coordinator.assignment.remote(), timeout=FIRST_NUMBER_SECONDS).number
        publisher = Publisher(watcher, coordinator, files=True, number=number)
        publisher.apply(watcher.assigned())
        self._following = publisher.follow_in_background(self._stop, logger.warning)

    def check_health(self) -> None:
        """Raises when nobody follows the registry any more, so that Serve starts another one."""
        if not self._following.is_alive():
            raise ServingError("the registry is not followed any more")

    def __del__(self) -> None:
        # what has failed in the constructor may not have them
        with contextlib.suppress(AttributeError):
            self._stop.set()
            shutil.rmtree(self._place, ignore_errors=True)


def prepared(config: ServeConfig, place: Path) -> RegistryWatcher:
    """The models of an endpoint, checked and prepared in a folder.

    Raises:
        UsageError, TrackingError, BundleError, GateError: see `RegistryWatcher.add`.
    """
    from orchestrator.serving.control.registry_watcher import RegistryWatcher

    watcher = RegistryWatcher(place, config.tracking_uri, config.execution)
    for uri in config.models:
        watcher.add(uri)
    watcher.check_columns(config.log_drop)
    return watcher
