"""The stack for compose: as compose wants it, of commands, options, ports, variables and secrets that there are."""

import os
import re
import shlex
import subprocess
from pathlib import Path, PurePosixPath

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from click.testing import CliRunner
from documents import parsed

from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.errors import UsageError
from orchestrator.manifests.compose import SECRETS, compose_files
from orchestrator.manifests.kinds import default_files
from orchestrator.manifests.rendering import write_files
from orchestrator.patience import AGENT_PORTS

ROOT = Path(__file__).parents[2]
SITE = Path(yaml.__file__).parents[1]
STACK = ROOT / "docker" / "compose.yaml"
SERVICES = yaml.safe_load(STACK.read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "ORCHESTRATOR" in service["image"]}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def filled(text):
    """A text as it is when no variable is set."""
    return VARIABLE.sub(r"\2", str(text)).replace("$$", "$")


def program(service):
    """The words of the program that a container becomes, past a shell's preparations."""
    words = [filled(word) for word in service["command"]]
    if words[:2] == ["bash", "-c"]:
        words = shlex.split(re.search(r"^exec (.*)", words[2].replace("\\\n", " "), re.MULTILINE)[1])
    if words[:3] == ["python", "-m", "orchestrator.patience"]:
        words = ["ray", *words[3:]]
    return words


def programs():
    import mlflow.cli
    import ray.scripts.scripts

    return {"orchestrator": main, "ray": ray.scripts.scripts.cli, "mlflow": mlflow.cli.cli}


def options(words):
    return dict(re.findall(r"--([a-z-]+)[= ]((?!--)\S+)", " ".join(words)))


def test_the_files_in_the_repository_are_what_the_templates_make():
    for name, text in default_files().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run python -m orchestrator.manifests"


def test_compose_takes_the_stack():
    sweep = SweepConfig(data="sklearn:iris")
    schema = get_builtin_schema("vendor.compose-spec")
    for text in (STACK.read_text(), compose_files(sweep=sweep)[PurePosixPath("compose.yaml")]):
        jsonschema.validate(yaml.safe_load(text), schema)
    wrong = yaml.safe_load(STACK.read_text())
    wrong["services"]["mlflow"]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_taken_by_its_program(name):
    words = program(OURS[name])
    parsed(words, programs()[words[0]])


def test_who_asks_a_service_asks_the_port_that_it_listens_on():
    listens = {
        "ray-head": {options(program(SERVICES["ray-head"]))[name] for name in ("port", "dashboard-port")},
        "mlflow": {options(program(SERVICES["mlflow"]))["port"]},
        "endpoint": {options(program(SERVICES["endpoint"]))["port"]},
        "prometheus": {"9090"},
        "s3": {SERVICES["s3"]["environment"]["RUSTFS_ADDRESS"].rpartition(":")[2]},
        "postgres": {"5432"},
    }
    written = filled("\n".join(path.read_text() for path in (ROOT / "docker").rglob("*.y*ml")))
    written = re.sub(r"image: .*", "", written)
    asked = re.findall(rf"\b({'|'.join(listens)}):(\d+)", written)
    assert {name for name, _ in asked} >= set(listens) - {"endpoint"}
    assert all(port in listens[name] for name, port in asked), asked
    for name, service in OURS.items():
        if "ports" in service:
            assert {entry.rpartition(":")[2] for entry in service["ports"]} <= listens[name]
    health = {name: service["environment"].get("ORCHESTRATOR_HEALTH_URL") for name, service in OURS.items()}
    agent = options(program(SERVICES["ray-worker"]))["dashboard-agent-listen-port"]
    assert f":{agent}/api/local_raylet_healthz" in health["ray-worker"]
    assert ":8265/api/gcs_healthz" in health["ray-head"] and ":5000/health" in health["mlflow"]
    assert yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())["scrape_configs"][1]["dns_sd_configs"] == [
        {"names": ["endpoint"], "type": "A", "port": int(options(program(SERVICES["endpoint"]))["port"])}
    ]


@pytest.mark.parametrize("name", ["ray-head", "ray-worker"])
def test_nodes_of_ray_name_the_ports_for_which_they_would_wait(name):
    given = options(program(SERVICES[name]))
    said = {port.replace("_", "-") for port in AGENT_PORTS} - {"metrics-agent-port"} | {"dashboard-agent-grpc-port"}
    assert said <= given.keys()


def test_ports_are_bound_to_this_machine_only():
    entries = [entry for service in SERVICES.values() for entry in service.get("ports", ())]
    assert len(entries) == 5 and all(entry.startswith("127.0.0.1:") for entry in entries)


@pytest.mark.parametrize("prefix", ["RAY", "MLFLOW", "AWS", "ORCHESTRATOR"])
def test_each_variable_is_one_that_somebody_reads(prefix):
    names = {name for service in OURS.values() for name in service["environment"] if name.startswith(f"{prefix}_")}
    assert names
    places = {
        "RAY": [SITE / "ray"],
        "MLFLOW": [SITE / "mlflow" / "environment_variables.py"],
        "AWS": [SITE / "botocore"],
        "ORCHESTRATOR": [ROOT / "docker" / "Dockerfile"],
    }[prefix]
    for name in names:
        if prefix == "AWS" and name == "AWS_ENDPOINT_URL":
            # made of its parts there
            continue
        found = subprocess.run(["grep", "-rqsw", "--include=*.py", "--include=Dockerfile", name, *places], check=False)
        assert found.returncode == 0, name


def test_secrets_come_from_files_that_the_script_makes(tmp_path):
    (tmp_path / "secrets.sh").write_text((ROOT / "docker" / "secrets.sh").read_text())
    done = subprocess.run(["bash", tmp_path / "secrets.sh"], capture_output=True, text=True, check=False)
    folder = tmp_path / "secrets"
    assert done.returncode == 0 or os.getuid() not in (0, 1000), done.stderr
    assert {path.name for path in folder.iterdir()} == set(SECRETS) == set(yaml.safe_load(STACK.read_text())["secrets"])
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "endpoint_tokens").stat().st_mode & 0o777 == 0o600
    tokens = (folder / "endpoint_tokens").read_text().split()
    assert len(set(tokens)) == 2 and (folder / "prometheus_token").read_text() in tokens
    # Prometheus' are named in its own file
    used = set(re.findall(r"/run/secrets/(\w+)", (ROOT / "docker" / "prometheus.yml").read_text()))
    assert used == set(SERVICES["prometheus"]["secrets"])
    for service in SERVICES.values():
        named = set(re.findall(r"/run/secrets/(\w+)", yaml.safe_dump(service)))
        assert named <= set(service.get("secrets", ()))
        used |= named
    assert used == set(SECRETS)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(["bash", tmp_path / "secrets.sh"], capture_output=True, check=False)
    assert before == {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_mounted_is_there(tmp_path):
    write_files(compose_files(), tmp_path)
    for folder in (ROOT / "docker", tmp_path):
        services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
        mounted = [entry.split(":")[0] for service in services.values() for entry in service.get("volumes", ())]
        places = [folder / entry for entry in mounted if entry.startswith(".")]
        assert len(places) == 5 and all(place.exists() for place in places)
    provided = yaml.safe_load((tmp_path / "grafana" / "dashboards.yaml").read_text())["providers"]
    seen = {entry.split(":")[1] for entry in SERVICES["grafana"]["volumes"]}
    assert {provider["options"]["path"] for provider in provided} <= seen
    (rules,) = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["rule_files"]
    assert rules in {entry.split(":")[1] for entry in SERVICES["prometheus"]["volumes"]}


def test_who_is_waited_for_says_whether_it_is_well():
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            # the image of ours has a check
            assert name in OURS or "test" in SERVICES[name]["healthcheck"]


def test_a_sweep_takes_its_space_and_networks_along_and_leaves_its_data_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows, {$5}").mkdir()
    (tmp_path / "rows, {$5}" / "table.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "own.py").write_text("class Network: ...\n")
    space = {"architectures": {"mlp": {}}}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    config = {"data": "rows, {$5}/table.csv", "target": "b", "space": "space.yaml", "architecture": "own:Network"}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(config))
    options = ["export", "compose", "--sweep", "sweep.yaml", "--workers", "3", "--model", "models:/m/4", "-o", "out"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    sent = yaml.safe_load((tmp_path / "out/sweep/sweep.yaml").read_text())
    assert sent["data"] == str(tmp_path / "rows, {$5}" / "table.csv") and sent["storage"] == "s3://sweeps"
    assert yaml.safe_load((tmp_path / "out/sweep/space.yaml").read_text()) == space
    assert (tmp_path / "out/sweep/own.py").is_file()
    services = yaml.safe_load((tmp_path / "out/compose.yaml").read_text())["services"]
    assert services["ray-worker"]["deploy"]["replicas"] == "${WORKERS:-3}"
    assert "${MODEL:-models:/m/4}" in services["endpoint"]["command"]
    for name in ("ray-head", "ray-worker", "ray-worker-gpu", "cli"):
        place = str(tmp_path / "rows, {$5}").replace("$", "$$")
        assert {"type": "bind", "source": place, "target": place, "read_only": True} in services[name]["volumes"]
    monkeypatch.chdir(tmp_path / "out" / "sweep")
    parsed(program(services["sweep"]))


@pytest.mark.parametrize("model", ["adult", "models:/", "./folder", "models:/adult@champion\n", "models:/a}$b/1"])
def test_a_model_that_is_not_a_registered_one_is_refused(model):
    with pytest.raises(UsageError, match="give the name of a registered model"):
        compose_files(model=model)


def test_mistakes_are_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text("data: missing.csv\ntrails: 3\n")
    done = CliRunner().invoke(main, ["export", "compose", "--sweep", "sweep.yaml", "-o", "out"])
    assert done.exit_code == 2 and "trials" in done.output and "line 2" in done.output
    (tmp_path / "sweep.yaml").write_text("data: missing.csv\n")
    done = CliRunner().invoke(main, ["export", "compose", "--sweep", "sweep.yaml", "-o", "out"])
    assert done.exit_code == 2 and "missing.csv: no such file" in done.output
    done = CliRunner().invoke(main, ["export", "compose", "-o", "out"])
    assert done.exit_code == 2 and "give --model, --sweep or both" in done.output
    assert not (tmp_path / "out").exists()
