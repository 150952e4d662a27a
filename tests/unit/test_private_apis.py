"""What is used of other packages that they promise nobody: a version that changes it is told here, by name.

Each test says which part of the project would break, so that one knows what to mend before the version is allowed.
"""

import importlib
import inspect
import mmap
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
RAY = Path(ray.__file__).parent

# module, name in it -> what of ours uses it, and for what
NAMES = {
    ("ray.air.execution._internal.actor_manager", "RayActorManager._actor_task_failed"): (
        "runtime/tune/adapters: a trial that was killed for its memory is one lost trial, not the end of the sweep"
    ),
    ("ray.tune.execution.tune_controller", "TuneController._cleanup_cached_actors"): (
        "runtime/tune/adapters: a process that waits for a trial makes room for another sweep"
    ),
    ("ray.tune.execution.tune_controller", "TuneController._update_trial_queue"): (
        "runtime/tune/adapters: a sweep without room on its cluster lets its processes end"
    ),
    ("ray.tune.execution.tune_controller", "_ObjectCache"): "runtime/tune/adapters: processes that wait for trials",
    ("ray.tune.execution.class_cache", "DEFAULT_ENV_VARS"): "runtime/tune/adapters: actors in waiting workers",
    ("ray.tune.execution.class_cache", "ENV_VARS_TO_PROPAGATE"): "runtime/tune/adapters: actors in waiting workers",
    ("torch.export._trace", "_export"): "runtime/early_imports: what torch.export imports when it is called",
    ("torch.nn.parallel", "DistributedDataParallel._inside_ddp_forward"): (
        "training/ranks: workers of a trial import no compiler"
    ),
    ("ray._private.state", "actors"): "runtime/holders: who holds the cluster's resources",
    ("ray._private.state", "available_resources_per_node"): "runtime/holders: whether a trial only has to start",
    ("ray._private.state", "jobs"): "runtime/holders: who holds the cluster's resources",
    ("ray._private.worker", "global_worker"): "runtime/holders: programs introduce themselves; limits of queues",
    ("ray._private.worker", "_global_node"): "cluster: whether Ray's own processes live",
    ("ray._private.worker", "print_to_stdstream"): "cluster: Ray's notices stay off the terminal",
    ("ray._private.node", "Node.get_logs_dir_path"): "cluster: where Ray's processes write",
    ("ray._private.ray_constants", "ENABLE_RAY_CLUSTER"): "cluster: a Ray of our own listens on loopback only",
    ("ray._private.utils", "set_sigterm_handler"): "cluster: SIGTERM while Ray starts",
    ("ray._private.utils", "get_num_cpus"): "cluster: limits of containers, where some cores are not ours besides",
    ("ray._private.node", "Node.start_monitor"): "cluster: a Ray of our own starts only what is used",
    ("ray._private.node", "Node.start_api_server"): "cluster: a Ray of our own starts only what is used",
    ("ray._private.node", "Node.start_log_monitor"): "cluster: a Ray of our own starts only what is used",
    ("ray._private.services", "get_node"): "patience: Ray's start on a busy machine",
    ("ray.train.v2._internal.execution.callback", "WorkerGroupCallback.before_worker_group_start"): (
        "runtime/gangs/pool: a gang lets the pool reach it before it looks for a place"
    ),
    ("ray._private.services", "_build_python_executable_command_memory_profileable"): "cluster: the silent agent",
    ("ray._private.ray_constants", "PROCESS_TYPE_DASHBOARD_AGENT"): "cluster: the silent agent",
    ("ray.train.torch.config", "_set_torch_distributed_env_vars"): "runtime/gangs/backend: a controller without torch",
    ("ray.train.torch.config", "_setup_torch_process_group"): "runtime/gangs/backend: a controller without torch",
    ("ray.train.torch.config", "_shutdown_torch"): "runtime/gangs/backend: a controller without torch",
    ("ray.train._internal.utils", "get_address_and_port"): "runtime/gangs/backend: a controller without torch",
    ("ray.train.torch", "TorchTrainer._create_default_callbacks"): "runtime/gangs/pool: fewer processes for each gang",
    ("ray.train.v2.api.data_parallel_trainer", "PlacementGroupCleanerCallback"): (
        "runtime/gangs/pool: one process less for each gang"
    ),
    ("ray.train.v2.api.data_parallel_trainer", "DatasetsCallback"): (
        "runtime/gangs/pool: one process less for each gang"
    ),
    ("ray.serve._private.replica", "add_port_to_grpc_server"): "control/replica: replicas listen on loopback only",
    ("ray.serve._private.default_impl", "add_grpc_address"): "control/replica: gRPC listens on loopback only",
    ("ray.serve._private.grpc_util", "DEFAULT_GRPC_SERVER_OPTIONS"): "control/replica: messages have a limit",
    ("ray.serve._private.grpc_util", "gRPCGenericServer.add_passthrough_service"): (
        "control/replica: the endpoint answers calls without Serve's way between"
    ),
    ("ray.serve._private.haproxy", "HAProxyManager"): "control/ingress: an HAProxy without one was left over",
    (
        "ray.serve._private.haproxy",
        "HAProxyApi._generate_config_file_internal",
    ): "control/haproxy: the check at the start",
    ("ray.serve._private.haproxy", "BackendConfig"): "control/haproxy: the check at the start",
    ("ray.serve._private.haproxy", "ServerConfig"): "control/haproxy: the check at the start",
    ("ray.serve._private.haproxy", "HAProxyConfig"): "control/haproxy: the check at the start",
    ("ray.dashboard.modules.dashboard_sdk", "SubmissionClient._do_request"): "jobs/server: a job server that is silent",
    ("uvicorn.config", "HTTP_PROTOCOLS"): "http/connections: the replicas' HTTP server is corrected",
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.on_headers_complete"): "http/connections",
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.on_message_complete"): "http/connections",
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.eof_received"): "http/connections",
    ("torch._ops", "OpOverloadPacket"): "bundle/graph: which operators a network may use",
    ("torch._export.serde.schema", "ExportedProgram"): "bundle/archive: a network is read without unpickling",
    ("torch._export.serde.serialize", "ExportedProgramDeserializer.deserialize"): (
        "bundle/archive: a network is read without unpickling"
    ),
    ("mlflow.utils.requirements_utils", "_MODULES_TO_PACKAGES"): "tracking/versions: a model is saved a second sooner",
    ("torch._export.serde.union", "_Union.create"): "bundle/serialized: a network is read without unpickling",
}


@pytest.mark.parametrize(("place", "purpose"), NAMES.items(), ids=[".".join(place) for place in NAMES])
def test_a_private_name_is_where_it_was(place, purpose):
    module, name = place
    found = importlib.import_module(module)
    for part in name.split("."):
        assert hasattr(found, part), f"{module}.{name} is gone; {purpose}"
        found = getattr(found, part)


@pytest.mark.parametrize(
    ("place", "arguments", "purpose"),
    [
        ("ray.serve._private.replica.add_port_to_grpc_server", ("server", "address"), "control/replica"),
        ("ray._private.services.get_node", ("gcs_address", "node_id"), "patience"),
        (
            "ray._private.services._build_python_executable_command_memory_profileable",
            ("component", "session_dir"),
            "cluster",
        ),
        ("ray._private.worker.print_to_stdstream", ("data", "ignore_prefix"), "cluster"),
    ],
)
def test_what_is_replaced_is_called_as_before(place, arguments, purpose):
    module, _, name = place.rpartition(".")
    found = tuple(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    assert found[: len(arguments)] == arguments, f"{place} takes {found}; {purpose} replaces it"


def test_tune_still_hands_failures_to_the_method_that_is_replaced():
    from ray.air.execution._internal.actor_manager import RayActorManager

    found = tuple(inspect.signature(RayActorManager._actor_task_failed).parameters)
    assert found == ("self", "tracked_actor_task", "exception"), "runtime/tune/adapters replaces it"


# variables that Ray reads -> the files of Ray in which it does
SERVE_CONSTANTS = "serve/_private/constants.py"
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "_common/usage/usage_constants.py",
    "RAY_DEDUP_LOGS": "_private/ray_constants.py",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "_private/accelerators/accelerator.py",
    "RAY_AIR_NEW_OUTPUT": "tune/tune.py",
    "RAY_JOB_STOP_SIGNAL": "dashboard/modules/job/job_supervisor.py",
    "RAY_JOB_STOP_WAIT_TIME_S": "dashboard/modules/job/job_supervisor.py",
    "RAY_API_SERVER_ADDRESS": "_private/ray_constants.py",
    "RAY_AUTH_MODE": "_private/authentication/authentication_token_setup.py",
}


def serve_variables():
    """Those of Serve that an endpoint sets."""
    from orchestrator.config import ServeConfig
    from orchestrator.serving.control.haproxy import SERVE_VARIABLE
    from orchestrator.serving.control.ingress import plan_ingress

    environment = plan_ingress(ServeConfig.create(models=["m"]), ROOT).environment
    return sorted({SERVE_VARIABLE, *(name for name in environment if name.startswith("RAY_SERVE"))})


def train_variables():
    from orchestrator.runtime.gangs.pool import TRAIN_ENVIRONMENT

    return sorted(TRAIN_ENVIRONMENT)


@cache
def text(file):
    return (RAY / file).read_text()


def test_ray_reads_the_variables_that_are_set_for_it():
    wanted = dict(VARIABLES)
    wanted |= dict.fromkeys(serve_variables(), SERVE_CONSTANTS)
    wanted |= dict.fromkeys(train_variables(), "train/v2/_internal/constants.py")
    assert len(wanted) > 30
    gone = {name: file for name, file in wanted.items() if not re.search(rf"\b{name}\b", text(file))}
    assert not gone, f"Ray reads them no more where it did: {gone}"


def test_rays_processes_know_the_niceness_of_workers():
    from orchestrator.serving.control.ingress import TUNED

    (name,) = (name.removeprefix("RAY_") for name in TUNED if not name.startswith("RAY_SERVE"))
    with (
        (RAY / "core/src/ray/raylet/raylet").open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
    ):
        assert data.find(name.encode()) >= 0, (
            f"control/ingress sets RAY_{name}, without which anything else comes first"
        )


def test_raylets_still_read_what_workers_import_when_they_start():
    from orchestrator.cluster import PRELOADED

    with (
        (RAY / "core/src/ray/raylet/raylet").open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
    ):
        assert data.find(PRELOADED.encode()) >= 0, f"cluster sets {PRELOADED}"


def test_the_silent_agent_says_what_rays_own_says_when_it_listens_nowhere(tmp_path):
    from ray import _raylet

    from orchestrator import silent_agent

    names = [getattr(_raylet, f"{name.upper()}_NAME") for name in silent_agent.PORTS]
    assert names == list(silent_agent.PORTS), "cluster: the raylet would wait for its agent"
    node = "0" * 56
    _raylet.persist_port(str(tmp_path), node, names[0], -1)
    (file,) = tmp_path.iterdir()
    assert (file.name, file.read_text()) == (f"{names[0]}_{node}", silent_agent.NOWHERE), "cluster: the silent agent"
    source = inspect.getsource(importlib.import_module("ray._private.services").start_raylet)
    assert re.search(r"--session-dir=.*--node-id=|--node-id=.*--session-dir=", source, re.DOTALL)


def test_a_raylet_need_not_wait_for_agents_to_say_which_ports_they_were_given(tmp_path):
    from ray import _raylet
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    from orchestrator.patience import AGENT_PORTS, waiting_longer
    from orchestrator.replacing import replaced

    assert [getattr(_raylet, f"{name.upper()}_NAME") for name in AGENT_PORTS] == list(AGENT_PORTS)
    assert "self.start_raylet(" in inspect.getsource(Node)
    given = dict(zip(AGENT_PORTS, (6383, 8080, 52365), strict=False))
    node, seen = Node.__new__(Node), []
    node._session_dir, node._node_id, node._ray_params = str(tmp_path), "0" * 56, RayParams(**given)

    def start_raylet(_node, *arguments):
        seen.append(arguments)
        for name, port in given.items():
            assert _raylet.wait_for_persisted_port(str(tmp_path), "0" * 56, name, timeout_ms=0) == port

    with replaced(Node, start_raylet=start_raylet), waiting_longer():
        node.start_raylet("/dev/shm", 100)
    assert seen == [("/dev/shm", 100)]
    # what was not given is drawn by the agent
    assert len(list(tmp_path.iterdir())) == len(given)


def test_serve_calls_the_methods_of_a_replica_and_its_autoscaling_policy():
    from ray.serve._private import constants, replica
    from ray.serve.config import AutoscalingContext

    from orchestrator.serving.control.replica import HEALTH_PATH, Replica

    source = inspect.getsource(replica)
    for method in ("__serve_build_asgi_app__", "record_autoscaling_stats", "check_health"):
        assert hasattr(Replica, method)
        assert method in source or method in text(SERVE_CONSTANTS), f"Serve calls {method} no more"
    assert HEALTH_PATH in text("serve/_private/haproxy.py")
    assert (constants.SERVE_CONTROLLER_NAME, constants.SERVE_NAMESPACE) == ("SERVE_CONTROLLER_ACTOR", "serve"), (
        "control/supervisor looks whether Serve runs already"
    )
    for name in ("aggregated_metrics", "target_num_replicas"):
        assert name in inspect.signature(AutoscalingContext).parameters, "control/scaling reads it"


def test_serve_asks_for_middlewares_by_an_import_path():
    from orchestrator.serving.control.ingress import MIDDLEWARES

    module, _, name = MIDDLEWARES.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH" in text("serve/_private/http_util.py"), (
        "control/replica: requests would take Serve's slow way, and its own pages be there"
    )


def test_torch_writes_the_members_of_an_archive_that_are_known(tmp_path):
    import torch

    from orchestrator.bundle.archive import GRAPH_MEMBER, PLAIN_MEMBERS, WEIGHTS_CONFIG
    from orchestrator.bundle.members import read_members

    program = torch.export.export(torch.nn.Linear(2, 1), (torch.zeros(3, 2),))
    program.example_inputs = None
    assert hasattr(program, "_guards_code"), "bundle/archive leaves guards out, which are Python source"
    torch.export.save(program, tmp_path / "network.pt2")
    members = read_members((tmp_path / "network.pt2").read_bytes(), "network.pt2")
    assert {GRAPH_MEMBER, WEIGHTS_CONFIG} <= members.keys(), "bundle/archive reads them"
    unknown = [name for name in members if not any(pattern.fullmatch(name) for pattern in PLAIN_MEMBERS)]
    assert unknown == ["data/sample_inputs/model.pt"], "bundle/archive refuses what it does not know"


def test_what_torch_onnx_says_comes_from_the_logger_that_is_quieted():
    import torch.onnx  # noqa: F401

    name = "torch.onnx._internal.exporter._registration"
    assert "logging.getLogger(__name__)" in inspect.getsource(importlib.import_module(name)), "bundle/engines"


def test_mlflow_says_what_went_wrong_in_the_words_that_are_known():
    from mlflow.exceptions import MlflowException
    from mlflow.utils import rest_utils

    from orchestrator.tracking.store import _explain_server, is_away

    answer = SimpleNamespace(status_code=502, text="<html>", headers={})
    with pytest.raises(MlflowException) as refused:
        rest_utils.verify_rest_response(answer, "/api/2.0/mlflow/runs/get")
    assert "status 502" in str(_explain_server(refused.value)), "tracking/store tells what answers"
    answer = SimpleNamespace(status_code=200, text="<html>", headers={})
    with pytest.raises(MlflowException) as other:
        rest_utils.verify_rest_response(answer, "/api/2.0/mlflow/runs/get")
    assert _explain_server(other.value) == "what answers there is no MLflow server"
    with pytest.raises(MlflowException) as nobody:
        rest_utils.http_request(
            rest_utils.MlflowHostCreds("http://127.0.0.1:9"), "/api/2.0", "GET", max_retries=0, timeout=1
        )
    assert is_away(nobody.value), "tracking/store: what is away may be there later"


def test_mlflows_tables_are_those_that_are_read_without_it():
    from mlflow.store.model_registry.dbmodels.models import (
        SqlModelVersion,
        SqlRegisteredModel,
        SqlRegisteredModelAlias,
        SqlRegisteredModelTag,
    )

    versions, aliases = SqlModelVersion.__table__, SqlRegisteredModelAlias.__table__
    assert (versions.name, aliases.name) == ("model_versions", "registered_model_aliases")
    wanted = {"storage_location", "source", "workspace", "name", "version", "current_stage"}
    assert wanted <= set(versions.columns.keys()), "tracking/sqlite_registry"
    assert {"version", "workspace", "name", "alias"} <= set(aliases.columns.keys()), "tracking/sqlite_registry"
    models, tags = SqlRegisteredModel.__table__, SqlRegisteredModelTag.__table__
    assert (models.name, tags.name) == ("registered_models", "registered_model_tags")
    assert {"workspace", "name", "creation_time"} <= set(models.columns.keys()), "tracking/sqlite_registry"
    assert {"workspace", "name", "key", "value"} <= set(tags.columns.keys()), "tracking/sqlite_registry"


def test_no_version_of_ray_is_allowed_that_was_not_tested():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (found,) = (Requirement(line) for line in project["dependencies"] if line.startswith("ray"))
    tested = Version(ray.__version__)
    assert found.specifier.contains(tested)
    assert not found.specifier.contains(f"{tested.major}.{tested.minor + 1}.0")
