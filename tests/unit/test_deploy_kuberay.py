"""deploy/kuberay: what Kubernetes and the operator take, files, secrets, ports and names that belong together."""

import functools
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from documents import ROOT, parsed
from kubernetes_objects import cluster_of, insecure, objects_of, pods_of, problems

from orchestrator.cli import main
from orchestrator.serving.http.auth import read_tokens

DEPLOY = {
    path.relative_to(ROOT / "deploy" / "kuberay"): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "deploy" / "kuberay").rglob("*"))
    if path.is_file()
}
KUSTOMIZATIONS = {
    path.parent: yaml.safe_load(text) for path, text in DEPLOY.items() if path.name == "kustomization.yaml"
}
OVERLAYS = [folder for folder in KUSTOMIZATIONS if folder.parts[0] == "overlays"]


def built(folder):
    """What Kustomize would make of a folder, as far as resources and patches go."""
    kustomization, found = KUSTOMIZATIONS[folder], []
    for entry in kustomization["resources"]:
        path = Path(os.path.normpath(folder / entry))
        found += built(path) if path in KUSTOMIZATIONS else objects_of({path: DEPLOY[path]})
    for patch in kustomization.get("patches", ()):
        (item,) = [
            one
            for one in found
            if one["kind"] == patch["target"]["kind"] and one["metadata"]["name"] == patch["target"]["name"]
        ]
        for step in yaml.safe_load(patch["patch"]):
            assert step["op"] == "replace"
            *way, last = [int(part) if part.isdigit() else part for part in step["path"].split("/")[1:]]
            place = functools.reduce(lambda inside, part: inside[part], way, item)
            # what is replaced is there
            assert place[last] is not None
            place[last] = step["value"]
    return found


def everything():
    return objects_of(DEPLOY)


def test_kubernetes_and_the_operator_take_all_that_is_in_the_repository():
    assert len(everything()) > 20
    for item in everything():
        assert not problems(item), (item["kind"], item["metadata"]["name"])
        assert not [problem for pod in pods_of(item) for problem in insecure(pod)], item["metadata"]["name"]
        assert item["metadata"].get("namespace", "orchestrator") == "orchestrator"


@pytest.mark.parametrize("overlay", OVERLAYS, ids=str)
def test_an_overlay_changes_what_there_is_into_what_kubernetes_takes(overlay):
    found = built(overlay)
    assert found
    for item in found:
        assert not problems(item), (item["kind"], item["metadata"]["name"])
    names = [(item["kind"], item["metadata"]["name"]) for item in found]
    assert len(names) == len(set(names))


def test_every_file_is_named_by_a_kustomization_and_every_name_is_a_file():
    named = set()
    for folder, content in KUSTOMIZATIONS.items():
        entries = list(content["resources"])
        for generator in content.get("configMapGenerator", ()):
            entries += [entry.rpartition("=")[2] for entry in generator["files"]]
        for entry in entries:
            path = Path(os.path.normpath(folder / entry))
            assert path in DEPLOY or path in KUSTOMIZATIONS, f"{folder}: {entry}"
            named.add(path)
    left = {path for path in DEPLOY if path.name != "kustomization.yaml"} - named
    assert left == {Path("secrets.sh")}


def test_secrets_are_made_by_the_script_and_are_what_is_asked_for(tmp_path):
    done = subprocess.run(
        ["bash", ROOT / "deploy/kuberay/secrets.sh"],
        env={"PATH": os.environ["PATH"], "AWS_SECRET_ACCESS_KEY": 'a"b\\c$d'},
        capture_output=True,
        text=True,
        check=True,
    )
    secrets = {item["metadata"]["name"]: item for item in yaml.safe_load_all(done.stdout)}
    assert not [problem for item in secrets.values() for problem in problems(item)]
    assert secrets["object-store"]["stringData"]["AWS_SECRET_ACCESS_KEY"] == 'a"b\\c$d'
    drawn = [item["stringData"].get("password") for item in secrets.values()]
    assert len(set(drawn)) == 3
    (tmp_path / "tokens").write_text(secrets["endpoint-tokens"]["stringData"]["tokens"])
    (tmp_path / "tokens").chmod(0o600)
    assert len(read_tokens(tmp_path / "tokens")) == 1
    used = {}
    for item in everything():
        text = json.dumps(item)
        for name, key in re.findall(r'"secretKeyRef": \{"name": "([\w-]+)", "key": "(\w+)"\}', text):
            used.setdefault(name, set()).add(key)
        for name in re.findall(r'"(?:secretName|secretRef)": (?:\{"name": )?"([\w-]+)"', text):
            used.setdefault(name, set())
    # that of TLS is the ingress', or cert-manager's
    assert set(used) - set(secrets) == {"endpoint-breast-cancer-tls"}
    for name, keys in used.items():
        assert keys <= set(secrets.get(name, {}).get("stringData", keys))
    # nothing secret is in the repository
    assert not [item for item in everything() if item["kind"] == "Secret"]


def test_every_command_in_a_container_is_taken_by_its_program():
    from mlflow.cli import cli as mlflow

    programs = {"orchestrator": main, "mlflow": mlflow}
    seen = []
    for item in everything():
        for pod in pods_of(item):
            for container in pod["containers"]:
                words = container.get("command", [])
                if words and words[0] in programs:
                    parsed(words, programs[words[0]])
                    seen.append(words[0])
    for path, text in DEPLOY.items():
        if path.suffix == ".sh":
            assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
            for line in re.findall(r"^exec (orchestrator .*)$", text, re.MULTILINE):
                parsed(shlex.split(line))
                seen.append("orchestrator")
    assert sorted(set(seen)) == ["mlflow", "orchestrator"]


def services():
    return {item["metadata"]["name"]: item for item in everything() if item["kind"] == "Service"}


def test_who_asks_a_service_asks_a_port_that_it_has_and_that_a_pod_listens_on():
    ports = {name: {entry["port"] for entry in item["spec"]["ports"]} for name, item in services().items()}
    written = re.sub(r"image: .*", "", "\n".join(DEPLOY.values()))
    asked = re.findall(rf"(?<=[/@ \"=])({'|'.join(ports)}):(\d+)", written)
    assert {name for name, _ in asked} == set(ports)
    assert all(int(port) in ports[name] for name, port in asked), asked
    for name, item in services().items():
        (owner,) = [
            one
            for one in everything()
            if one["kind"] in ("Deployment", "StatefulSet")
            and one["spec"]["template"]["metadata"]["labels"] == item["spec"]["selector"]
        ]
        listened = {port["containerPort"] for pod in pods_of(owner) for port in pod["containers"][0]["ports"]}
        assert ports[name] <= listened
    # MLflow answers under the names that are used
    mlflow = next(
        item for item in everything() if item["kind"] == "Deployment" and item["metadata"]["name"] == "mlflow"
    )
    (hosts,) = [word for word in pods_of(mlflow)[0]["containers"][0]["command"] if word.startswith("--allowed-hosts=")]
    assert "mlflow:5000" in hosts.partition("=")[2].split(",")


def test_only_the_ingress_the_operator_and_prometheus_reach_the_endpoint_and_nobody_outside_reaches_ray():
    policies = {item["metadata"]["name"]: item["spec"] for item in everything() if item["kind"] == "NetworkPolicy"}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def reach(labels, port):
        """Who reaches a port of a pod: namespaces, or "" for pods of the same one."""
        found = set()
        for spec in policies.values():
            wanted = spec["podSelector"].get("matchLabels", {})
            if not wanted.items() <= labels.items():
                continue
            for rule in spec.get("ingress", ()):
                if any(entry["port"] <= port <= entry.get("endPort", entry["port"]) for entry in rule["ports"]):
                    for source in rule["from"]:
                        selector = source.get("namespaceSelector", {}).get("matchLabels", {})
                        found.add(selector.get("kubernetes.io/metadata.name", ""))
        return found

    endpoint_pod = {"app.kubernetes.io/name": "orchestrator", "app.kubernetes.io/component": "endpoint"}
    others = {"app.kubernetes.io/name": "orchestrator", "app.kubernetes.io/component": "sweep"}
    assert reach(endpoint_pod, 8000) == {"ingress-nginx", "kuberay-system", "monitoring"}
    assert reach(others, 8000) == set()
    for pod in (endpoint_pod, others):
        assert reach(pod, 6379) == reach(pod, 8265) == {"", "kuberay-system"}
        assert reach(pod, 8080) == {"", "monitoring"}
        # of replicas, workers, and Ray's client
        assert reach(pod, 30000) == reach(pod, 10002) == reach(pod, 10001) == {""}
    for name, port in (("mlflow", 5000), ("postgres", 5432), ("redis", 6379)):
        assert reach({"app.kubernetes.io/name": name}, port) == {""}
    # labels that the policies go by are those of pods
    labelled = [
        group["template"]["metadata"]["labels"]
        for item in everything()
        if item["kind"] in ("RayJob", "RayService", "RayCluster")
        for group in (cluster_of(item)["headGroupSpec"], *cluster_of(item)["workerGroupSpecs"])
    ]
    assert {entry["app.kubernetes.io/component"] for entry in labelled} == {"sweep", "endpoint", "cluster"}
    assert {entry["app.kubernetes.io/name"] for entry in labelled} == {"orchestrator"}


def test_no_pod_but_the_head_of_a_cluster_with_an_autoscaler_may_ask_the_api():
    (account,) = [item for item in everything() if item["kind"] == "ServiceAccount"]
    assert account["automountServiceAccountToken"] is False
    for item in everything():
        for position, pod in enumerate(pods_of(item)):
            scaled = item["kind"] in ("RayService", "RayCluster") and position == 0
            assert scaled == cluster_of(item)["enableInTreeAutoscaling"] if scaled else True
            assert pod.get("automountServiceAccountToken", True) is scaled
            assert pod.get("serviceAccountName") == (None if scaled else account["metadata"]["name"])
    (namespace,) = [item for item in everything() if item["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
