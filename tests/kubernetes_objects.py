"""Objects of Kubernetes, checked as an API server and KubeRay's operator do: schemas, and rules that these lack."""

from __future__ import annotations

import functools
import gzip
import json
import re
from pathlib import Path

import kubernetes_validate
import yaml
from openapi_schema_validator import OAS30Validator

SCHEMAS = Path(__file__).parent / "schemas"
CORE_VERSION = "1.34"
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MOST_NAME = {"RayCluster": 53, "RayJob": 47, "RayService": 47}


def objects_of(files):
    """All objects of files (path -> text), but for kustomizations and other YAML that is no object."""
    found = []
    for path, text in files.items():
        if path.suffix == ".yaml" and path.name != "kustomization.yaml":
            found += [item for item in yaml.safe_load_all(text) if isinstance(item, dict) and "kind" in item]
    return found


def closed(schema):
    """The same schema, which takes no properties that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema and not isinstance(schema["properties"], str):
        inner["additionalProperties"] = False
    return inner


@functools.cache
def _validator(path):
    schema = closed(json.loads(gzip.decompress((SCHEMAS / path).read_bytes())))
    # what every object has, and no schema of a CRD says more of
    for name in ("metadata", "status"):
        if name in schema["properties"]:
            schema["properties"][name] = {"type": "object"}
    return OAS30Validator(schema)


def problems(item):
    """Sentences about what an API server, or the operator, would refuse."""
    group, kind = item["apiVersion"].partition("/")[0], item["kind"]
    if group == "ray.io":
        errors = _validator(f"kuberay/{kind.lower()}s.v1.schema.json.gz").iter_errors(item)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors] + rules(item)
    if group == "kueue.x-k8s.io":
        return []
    try:
        kubernetes_validate.validate(item, CORE_VERSION, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return [str(error)]
    return []


def cluster_of(item):
    """The `RayClusterSpec` of an object of KubeRay."""
    spec = item["spec"]
    return {"RayCluster": lambda: spec, "RayJob": lambda: spec["rayClusterSpec"]}.get(
        item["kind"], lambda: spec["rayClusterConfig"]
    )()


def pods_of(item):
    """Specifications of the pods that an object makes."""
    if item["kind"] in MOST_NAME:
        cluster = cluster_of(item)
        groups = [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", ())]
        submitter = item["spec"].get("submitterPodTemplate")
        return [group["template"]["spec"] for group in groups] + ([submitter["spec"]] if submitter else [])
    if item["kind"] in ("Deployment", "StatefulSet", "Job"):
        return [item["spec"]["template"]["spec"]]
    return [item["spec"]["jobTemplate"]["spec"]["template"]["spec"]] if item["kind"] == "CronJob" else []


def rules(item):
    """What the operator refuses though its schema does not (KubeRay v1.7, `validation.go`)."""
    cluster, name = cluster_of(item), item["metadata"]["name"]
    found = [f"the name {name}"] if not LABEL.fullmatch(name) or len(name) > MOST_NAME[item["kind"]] else []
    # without a mode there is no token
    if cluster.get("authOptions", {}).get("mode") != "token":
        found.append("no token")
    if tuple(map(int, cluster["rayVersion"].split(".")[:2])) < (2, 52):
        found.append("tokens with an old Ray")
    return found + _rules_of_groups(cluster) + (_rules_of_jobs(item) if item["kind"] == "RayJob" else [])


def _rules_of_groups(cluster):
    scaled = cluster.get("enableInTreeAutoscaling", False)
    found, environment = [], set()
    workers = cluster.get("workerGroupSpecs", ())
    for group in (cluster["headGroupSpec"], *workers):
        parameters, pod = group.get("rayStartParams", {}), group["template"]["spec"]
        environment |= {entry["name"] for container in pod["containers"] for entry in container.get("env", ())}
        if "labels" in parameters:
            found.append("labels in rayStartParams")
        if "resources" in parameters and "resources" in group:
            found.append("resources twice")
        if scaled and cluster["autoscalerOptions"]["version"] == "v2" and pod.get("restartPolicy", "Never") != "Never":
            found.append("a restartPolicy with the autoscaler v2")
    if not all({"minReplicas", "maxReplicas"} <= set(group) for group in workers):
        found.append("no minReplicas or maxReplicas")
    elif not all(group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] for group in workers):
        found.append("replicas")
    if "RAY_enable_autoscaler_v2" in environment and "version" in cluster.get("autoscalerOptions", {}):
        found.append("the autoscaler's version twice")
    if "gcsFaultToleranceOptions" in cluster and environment & {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD"}:
        found.append("Redis twice")
    return found


def _rules_of_jobs(item):
    spec, cluster, found = item["spec"], cluster_of(item), []
    if spec.get("suspend") and not spec.get("shutdownAfterJobFinishes"):
        found.append("suspend without shutdownAfterJobFinishes")
    if "clusterSelector" in spec and (spec.get("backoffLimit") or spec.get("suspend")):
        found.append("clusterSelector with backoffLimit or suspend")
    # Kueue admits all pods of a job at once
    if "kueue.x-k8s.io/queue-name" in item["metadata"].get("labels", {}):
        if cluster.get("enableInTreeAutoscaling"):
            found.append("autoscaling with Kueue")
        if len(cluster["workerGroupSpecs"]) > 7:
            found.append("more worker groups than Kueue takes")
    return found


def insecure(pod):
    """What the pod security standard "restricted" refuses, and what is stricter here."""
    whole, found = pod.get("securityContext", {}), []
    if not whole.get("runAsNonRoot") or not whole.get("runAsUser"):
        found.append("runs as root")
    if whole.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccompProfile")
    if any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        found.append("the host's namespaces")
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {volume['name']}" for volume in pod.get("volumes", ()) if not set(volume) - {"name"} <= allowed]
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{container['name']}: privileges")
        if own.get("readOnlyRootFilesystem") is not True:
            found.append(f"{container['name']}: may write its files")
        if set(container.get("resources", {})) != {"requests", "limits"}:
            found.append(f"{container['name']}: resources")
    return found
