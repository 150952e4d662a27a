"""What the workers of a Ray that this package has started import before anything else."""

from __future__ import annotations

from orchestrator.garbage import collect_rarely

collect_rarely()
