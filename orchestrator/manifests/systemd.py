"""An endpoint and MLflow as services of systemd, on one machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from orchestrator.errors import UsageError
from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import PLAIN, registered_model

KIND = "systemd"
EXAMPLE = "models:/iris@champion"
# where the unit of ours listens
MLFLOW = "http://127.0.0.1:5000"
# Not among them: MemoryDenyWriteExecute (torch and onnxruntime make code while they run), ProcSubset (Ray reads
# /proc/meminfo)
HARDENING = """\
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM"""


def systemd_files(
    *,
    model: str = EXAMPLE,
    host: str = "127.0.0.1",
    port: int = 8000,
    replicas: int = 1,
    tracking_uri: str = MLFLOW,
    folder: Path = Path("/opt/orchestrator"),
) -> dict[PurePosixPath, str]:
    """The units, their settings, and what installs them.

    Args:
        model: what is served.
        host, port: where.
        replicas: processes that answer, at most.
        tracking_uri: of MLflow; unless it is given there is a unit for one.
        folder: of the environment that orchestrator is installed in.

    Raises:
        UsageError: the model is not a registered one, or the folder cannot be written into a unit.
    """
    if not folder.is_absolute() or not PLAIN.fullmatch(str(folder)) or " " in str(folder):
        raise UsageError(f"--environment {folder}: give the absolute path of an environment, without blanks")
    for name, value in (("--host", host), ("--tracking-uri", tracking_uri)):
        if not value.isprintable() or set(value) & set(" '\"\\$"):
            raise UsageError(f"{name} {value!r}: it cannot be written into a file of settings")
    if " " in registered_model(model):
        raise UsageError(f"--model {model!r}: a blank stands between two models here; give the model another name")
    values = {
        "model": model,
        "host": host,
        "port": port,
        "options": f"--max-replicas {replicas}",
        "tracking_uri": tracking_uri,
        "own_mlflow": tracking_uri == MLFLOW,
        "folder": folder,
        "hardening": HARDENING,
    }
    return rendered(KIND, values)
