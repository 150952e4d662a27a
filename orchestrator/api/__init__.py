"""The functions of the Python API: what they take is written out, becomes a configuration, and the library runs that.

What is None is not given: then the default of `SweepConfig` or `ServeConfig` counts.
"""

from __future__ import annotations

from orchestrator.api.endpoints import deploy
from orchestrator.api.sweeps import plan, resume, sweep

__all__ = ["deploy", "plan", "resume", "sweep"]
