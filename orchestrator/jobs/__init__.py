"""Sweeps as jobs of a Ray cluster: they go on when the terminal that started them is gone. Imports nothing heavy."""

from orchestrator.jobs.job import Job
from orchestrator.jobs.package import Package, packed_sweep
from orchestrator.jobs.server import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Jobs, server_url

__all__ = ["ADDRESS_VARIABLE", "DEFAULT_ADDRESS", "Job", "Jobs", "Package", "packed_sweep", "server_url"]
