"""What Grafana and Prometheus need to watch sweeps and endpoints; `deploy/` has it as files."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

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


def main() -> None:
    """Writes the files of `deploy/` anew, in the folder of the project."""
    for name, text in monitoring_files().items():
        path = Path("deploy") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
