"""A real Prometheus that reads a port of this machine every half second, and the queries of the dashboard."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import requests
import yaml
from support import free_port

BINARY = shutil.which("prometheus")
NOT_INSTALLED = "Prometheus is not installed (Debian: apt-get install prometheus)"
RULES = Path(__file__).parents[1] / "deploy" / "prometheus" / "rules.yaml"
SECONDS = 60
PLACEHOLDERS = {"$__rate_interval": "20s", "$sweep": ".*", "$model": ".+"}


class Prometheus:
    """Open it as a context."""

    def __init__(self, folder: Path, port: int) -> None:
        """Args:
        folder: of its own.
        port: which it reads.
        """
        self.url = f"http://127.0.0.1:{free_port()}"
        jobs = [{"job_name": "tested", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        config = folder / "prometheus.yml"
        times = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        config.write_text(yaml.safe_dump({"global": times, "scrape_configs": jobs, "rule_files": [str(RULES)]}))
        self._command = [
            *(str(BINARY), f"--config.file={config}", f"--storage.tsdb.path={folder}/data", "--log.level=error"),
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]

    def __enter__(self) -> Prometheus:
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *error) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def ask(self, query: str) -> list[dict]:
        """The series that a query has now."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", (query, answer)
        return answer["data"]["result"]

    def broken_rules(self) -> list[dict]:
        """The rules of alerts that could not be asked, of all that were read."""
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert rules
        return [rule for rule in rules if rule["health"] != "ok"]

    def wait_for(self, queries: list[str]) -> None:
        """Until each query has an answer that is a number."""
        left, deadline = list(queries), time.monotonic() + SECONDS
        while left:
            assert self._process.poll() is None
            assert time.monotonic() < deadline, f"without an answer: {left}"
            time.sleep(0.2)
            try:
                left = [query for query in left if not self._has_number(query)]
            except requests.RequestException:
                # it starts
                continue

    def _has_number(self, query: str) -> bool:
        return any(series["value"][1] != "NaN" for series in self.ask(query))


def queries_of(panels) -> list[str]:
    """The queries of panels as Grafana sends them; what stands in for series that there may not be is left out."""
    found = []
    for panel in panels:
        for template, _ in panel.queries:
            query = template
            for name, value in PLACEHOLDERS.items():
                query = query.replace(name, value)
            found.append(query)
            # it would hide that the first part has no answer
            if query.endswith(" or vector(0)") and panel.title == "Shadow":
                found.append(query.removesuffix(" or vector(0)"))
    return found
