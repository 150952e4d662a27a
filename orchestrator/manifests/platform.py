"""What sweeps and endpoints on Kubernetes stand on: MLflow, PostgreSQL, Redis, network policies, and a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.errors import UsageError
from orchestrator.manifests.kuberay import KubernetesPlace
from orchestrator.manifests.pods import PodShape
from orchestrator.manifests.rendering import rendered

KIND = "kuberay/platform"
QUEUE = "gpus"
# where the charts and manifests of these are installed, as their own instructions say
INGRESS, OPERATOR, MONITORING = "ingress-nginx", "kuberay-system", "monitoring"


@dataclass(frozen=True)
class WorkerGroup:
    """Workers of a cluster that are alike.

    Attributes:
        name: of the group.
        shape: of each.
        least, most: how many.
    """

    name: str
    shape: PodShape
    least: int
    most: int


GROUPS = (WorkerGroup("cpu", PodShape(8, 0, 16), 1, 8), WorkerGroup("gpu", PodShape(8, 1, 32), 1, 4))


def platform_files(place: KubernetesPlace | None = None) -> dict[PurePosixPath, str]:
    """A base and overlays for Kustomize, and a script that makes secrets.

    Raises:
        UsageError: the namespace is none, or its storage no bucket.
    """
    place = place or KubernetesPlace()
    if not place.storage.startswith("s3://"):
        raise UsageError(
            f"--storage {place.storage}: MLflow keeps artifacts beside it, in a bucket: s3://BUCKET/FOLDER"
        )
    bucket = place.storage.removeprefix("s3://").partition("/")[0]
    names = ["mlflow", *(f"mlflow.{place.namespace}{end}" for end in ("", ".svc", ".svc.cluster.local"))]
    values = {
        **place.values(gpus=False),
        "gpu_image": place.values(gpus=True)["image"],
        "bucket": bucket,
        "artifacts": f"s3://{bucket}/mlflow",
        "hosts": [f"{name}:5000" for name in (*names, "localhost", "127.0.0.1")],
        "groups": GROUPS,
        "queue": QUEUE,
        "ingress_namespace": INGRESS,
        "operator_namespace": OPERATOR,
        "monitoring_namespace": MONITORING,
    }
    return rendered(KIND, values)
