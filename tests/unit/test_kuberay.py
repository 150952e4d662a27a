"""Objects for KubeRay: as the operator and Kubernetes want them, with commands, options and files that there are."""

import re
import shlex
from pathlib import PurePosixPath

import pytest
import yaml
from click.testing import CliRunner
from documents import parsed
from kubernetes_objects import cluster_of, insecure, objects_of, pods_of, problems

from orchestrator.cli import main
from orchestrator.config import ServeConfig, SweepConfig
from orchestrator.errors import ConfigError, UsageError
from orchestrator.manifests.kuberay import KubernetesPlace, endpoint_files, sweep_files
from orchestrator.serving.control.application import config_of

PLACE = KubernetesPlace()
NETWORK = """
import torch

class Net(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)

    def forward(self, numeric, categorical):
        return self.layer(numeric)
"""


@pytest.fixture
def sweep(tmp_path):
    """Writes the YAML of a sweep, and reads it."""

    def write(text="data: sklearn:iris\n"):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return SweepConfig.load(path)

    return write


def endpoint(**options):
    given = {"models": ["models:/adult@champion"], "min_replicas": 2} | options
    return endpoint_files(ServeConfig.create(**given), PLACE, host="models.example.org")


def the(files, kind):
    (found,) = [item for item in objects_of(files) if item["kind"] == kind]
    return found


SHARED = "data: sklearn:iris\nresources: {gpus_per_worker: 0.5}\n"
GANGS = "data: sklearn:iris\nresources: {workers_per_trial: 4, cpus_per_worker: 2, gpus_per_worker: 1}\n"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("data: sklearn:iris\n", {}),
        (SHARED, {"queue": "gpus"}),
        (GANGS, {"workers": 4, "volumes": ["datasets:/data"]}),
    ],
)
def test_kubernetes_and_the_operator_take_a_sweep(sweep, text, options):
    found = objects_of(sweep_files(sweep(text), PLACE, **options))
    assert [item["kind"] for item in found] == ["RayJob"]
    for item in found:
        assert not problems(item)
        assert not [problem for pod in pods_of(item) for problem in insecure(pod)]


@pytest.mark.parametrize("most", [2, 5])
def test_kubernetes_and_the_operator_take_an_endpoint(most):
    found = objects_of(endpoint(max_replicas=most))
    assert {item["kind"] for item in found} == {"RayService", "PodDisruptionBudget", "Ingress"}
    for item in found:
        assert not problems(item)
        assert not [problem for pod in pods_of(item) for problem in insecure(pod)]


def test_what_they_would_refuse_is_found(sweep):
    job = the(sweep_files(sweep(), PLACE), "RayJob")
    cluster = cluster_of(job)
    cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    cluster["workerGroupSpecs"][0]["template"]["spec"]["containerz"] = []
    cluster["workerGroupSpecs"][0]["maxReplicas"] = 1
    del cluster["authOptions"]["mode"]
    found = " ".join(problems(job))
    for words in ("0 is not of type 'string'", "'containerz' was unexpected", "replicas", "no token"):
        assert words in found
    budget = the(endpoint(), "PodDisruptionBudget")
    budget["spec"]["minAvailabel"] = 1
    assert "minAvailabel" in " ".join(problems(budget))
    pod = pods_of(job)[0]
    del pod["securityContext"]
    assert insecure(pod) == ["runs as root", "seccompProfile"]


def test_a_pod_holds_whole_workers_of_trials(sweep):
    def pod(text, **options):
        group = cluster_of(the(sweep_files(sweep(text), PLACE, **options), "RayJob"))["workerGroupSpecs"][0]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        return {"cpu": limits["cpu"], "gpu": limits.get("nvidia.com/gpu"), "memory": limits["memory"]}

    assert pod("data: sklearn:iris\n") == {"cpu": "4", "gpu": None, "memory": "8Gi"}
    assert pod("data: sklearn:iris\nresources: {cpus_per_worker: 6}\n")["cpu"] == "6"
    assert pod(SHARED) == {"cpu": "2", "gpu": "1", "memory": "20Gi"}
    assert pod(SHARED, gpus=4) == {"cpu": "8", "gpu": "4", "memory": "80Gi"}
    assert pod(GANGS, workers=4, memory=32_000_000_000) == {"cpu": "2", "gpu": "1", "memory": "30Gi"}
    with pytest.raises(UsageError, match="up to 4 workers, and 3 pods hold 3"):
        pod(GANGS, workers=3)
    with pytest.raises(UsageError, match="needs 2 CPU and 1 GPU, and a pod has 1 CPU"):
        pod(GANGS, workers=4, cpus=1)


def test_a_sweep_is_started_by_a_command_that_goes_on_where_it_was(sweep, tmp_path, monkeypatch):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text("")
    (tmp_path / "nets" / "own.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    files = sweep_files(sweep("data: sklearn:iris\narchitecture: nets.own:Net\n"), PLACE)
    job = the(files, "RayJob")
    script = files[PurePosixPath("run.sh")]
    words = shlex.split(re.search(r"^exec (.*)$", script, re.MULTILINE)[1])
    assert parsed(words).name == "sweep" and "--resume" in words
    options = yaml.safe_load(files[PurePosixPath("sweep.yaml")])
    assert options["storage"] == PLACE.storage and options["tracking_uri"] == PLACE.tracking_uri
    # a shell of the submitter takes it apart
    assert job["spec"]["entrypoint"] == "bash /etc/sweep/run.sh"
    head = cluster_of(job)["headGroupSpec"]["template"]["spec"]
    (mounted,) = [volume["configMap"] for volume in head["volumes"] if "configMap" in volume]
    items = {item["key"]: item["path"] for item in mounted["items"]}
    kustomization = yaml.safe_load(files[PurePosixPath("kustomization.yaml")])
    (generator,) = kustomization["configMapGenerator"]
    made = {entry.partition("=")[0]: entry.partition("=")[2] or entry for entry in generator["files"]}
    assert generator["name"] == mounted["name"] and made == items
    assert set(items.values()) == {"run.sh", "sweep.yaml", "nets/__init__.py", "nets/own.py"} <= set(map(str, files))
    assert set(kustomization["resources"]) | set(items.values()) == set(map(str, files)) - {"kustomization.yaml"}
    assert any(mount["mountPath"] == "/etc/sweep" for mount in head["containers"][0]["volumeMounts"])


def test_data_that_no_pod_would_have_is_refused(sweep, tmp_path):
    (tmp_path / "data").mkdir()
    data = tmp_path / "data" / "rows.csv"
    data.write_text("a,b\n1,2\n")
    path = sweep(f"data: {data}\n")
    with pytest.raises(UsageError, match=rf"--volume CLAIM:{tmp_path}/data$"):
        sweep_files(path, PLACE)
    files = sweep_files(path, PLACE, volumes=[f"datasets:{tmp_path}/data"])
    for pod in pods_of(the(files, "RayJob"))[:2]:
        claims = {
            volume["persistentVolumeClaim"]["claimName"]: volume["name"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        }
        assert {"name": claims["datasets"], "mountPath": f"{tmp_path}/data"} in pod["containers"][0]["volumeMounts"]
    with pytest.raises(UsageError, match="storage /shared/sweeps is on this machine"):
        sweep_files(sweep(), KubernetesPlace(storage="/shared/sweeps"))


# where pods are added, a change of the configuration has place for one replica more
@pytest.mark.parametrize(("most", "surge"), [(4, None), (2, 0)])
def test_ray_serve_takes_the_configuration_and_knows_all_of_it(most, surge):
    from ray.serve.schema import ServeDeploySchema

    service = the(endpoint(max_replicas=most), "RayService")
    content = yaml.safe_load(service["spec"]["serveConfigV2"])
    (deployment,) = content["applications"][0]["deployments"]
    assert deployment.get("max_surge_percent") == surge
    taken = ServeDeploySchema.model_validate(content)

    def unknown(given, model, place):
        # Ray takes any key, and says nothing
        for name, value in given.items():
            if name == "args":
                continue
            field = type(model).model_fields.get(name)
            if field is None:
                yield f"{place}{name}"
                continue
            inner = getattr(model, name)
            pairs = zip(value, inner, strict=True) if isinstance(value, list) else [(value, inner)]
            for below, known in pairs:
                if isinstance(below, dict) and hasattr(type(known), "model_fields"):
                    yield from unknown(below, known, f"{place}{name}.")

    assert not list(unknown(content, taken, ""))
    wrong = {**content, "applications": [{**content["applications"][0], "rout_prefix": "/"}]}
    assert list(unknown(wrong, ServeDeploySchema.model_validate(wrong), "")) == ["applications.rout_prefix"]
    (application,) = content["applications"]
    config = config_of(application["args"])
    assert config.models == ("models:/adult@champion",) and config.replicas == (2, most)
    module, _, function = application["import_path"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))
    cluster = cluster_of(service)
    (group,) = cluster["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == config.replicas
    assert content["http_options"]["request_timeout_s"] > config.timeout.total_seconds()
    assert group["template"]["spec"]["terminationGracePeriodSeconds"] > config.timeout.total_seconds()
    for pod in pods_of(service):
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        folder = str(PurePosixPath(config.auth_token_file).parent)
        assert volumes[mounts[folder]]["secret"]["secretName"] == "endpoint-tokens"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"host": "0.0.0.0"}, "host is not said here; http_options has it"),
        ({"auth_token_file": None}, "name a file of tokens"),
        ({"auth_token_file": None, "insecure": True}, "insecure needs allowed_hosts"),
        ({"min_replica": 2}, "min_replicas"),
    ],
)
def test_arguments_that_would_do_something_else_are_refused(arguments, words):
    usual = {"models": ["models:/adult@champion"], "auth_token_file": "/tokens"}
    with pytest.raises((UsageError, ConfigError), match=words):
        config_of({name: value for name, value in (usual | arguments).items() if value is not None})


def test_every_option_of_ray_is_one(sweep):
    from ray.scripts.scripts import start

    known = {name for option in start.params for name in option.opts}
    for item in (the(sweep_files(sweep(), PLACE), "RayJob"), the(endpoint(), "RayService")):
        cluster = cluster_of(item)
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            assert {f"--{name}" for name in group["rayStartParams"]} <= known


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--sweep", "sweep.yaml"], 0, "rayjob.yaml"),
        (["--model", "models:/adult@champion", "--max-workers", "4"], 0, "rayservice.yaml"),
        ([], 0, "base/mlflow.yaml"),
        (["--sweep", "sweep.yaml", "--model", "models:/a/1"], 2, "give --model or --sweep"),
        (["--name", "a"], 2, "--name goes with --model or --sweep"),
        (["--storage", "/shared"], 2, "s3://BUCKET"),
        (["--sweep", "sweep.yaml", "--host", "a.b"], 2, "--host goes with --model"),
        (["--model", "models:/adult@champion", "--queue", "q"], 2, "--queue goes with --sweep"),
        (["--model", "folder"], 2, "models:/NAME@champion"),
        (["--sweep", "sweep.yaml", "--name", "My_Sweep"], 2, "--name My_Sweep: give a name"),
        (["--sweep", "sweep.yaml", "--volume", "/data"], 2, "give CLAIM:/PATH"),
    ],
)
def test_the_command_writes_a_folder_or_says_what_is_wrong(sweep, tmp_path, monkeypatch, arguments, code, words):
    sweep()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["export", "kuberay", *arguments, "-o", "out"])
    assert done.exit_code == code, done.output
    assert words in done.output
    assert (tmp_path / "out").exists() == (code == 0)
