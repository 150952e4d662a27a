"""What a trial takes of its machine as MLflow's system metrics, which its pages show by themselves."""

from __future__ import annotations

import os

from orchestrator.training.usage import Usage

# with "false" there are none, as for MLflow's own
SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
NAMES = {
    "cpu": "system/cpu_utilization_percentage",
    "memory": "system/system_memory_usage_megabytes",
    "memory_share": "system/system_memory_usage_percentage",
    "gpu": "system/gpu_0_utilization_percentage",
    "gpu_memory": "system/gpu_0_memory_usage_megabytes",
    "gpu_memory_share": "system/gpu_0_memory_usage_percentage",
}


def usage_points(usage: Usage | None) -> dict[str, float]:
    """The figures by MLflow's names; the process of a trial sees its GPU as the first one."""
    if usage is None or os.environ.get(SWITCH, "").lower() in ("false", "0"):
        return {}
    return {NAMES[name]: value for name, value in usage.to_json().items()}
