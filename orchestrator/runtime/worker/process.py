"""What the process of a trial imports before anything else."""

from __future__ import annotations

from orchestrator.garbage import collect_rarely

collect_rarely()
