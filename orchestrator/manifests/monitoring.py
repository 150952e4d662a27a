"""What Grafana and Prometheus need to watch sweeps and endpoints; `deploy/` has it as files."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from orchestrator.manifests.alerts import rules
from orchestrator.manifests.dashboard import dashboard

# of YAML, none is broken
WIDTH = 10**9


def monitoring_files() -> dict[PurePosixPath, str]:
    """Texts by path: a dashboard and the rules of alerts."""
    import yaml

    return {
        PurePosixPath("grafana/orchestrator.json"): json.dumps(dashboard(), indent=2) + "\n",
        PurePosixPath("prometheus/rules.yaml"): yaml.safe_dump(rules(), sort_keys=False, width=WIDTH),
    }
