"""What one trial needs."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from orchestrator.validated import Validated


class ResourceConfig(Validated):
    """What one trial needs.

    Attributes:
        workers_per_trial: processes that train one network together, unless the search space says how many its
            architecture gets.
        cpus_per_worker: CPU cores; training uses as many threads, or more when cores would be idle.
        gpus_per_worker: GPUs, or a part of one; 0 trains on the CPU.
        readers_per_trial: CPU cores that read a folder of Parquet files for a trial, other data needs none; with 0 the
            readers share the cores of the workers.
    """

    workers_per_trial: int = Field(default=1, ge=1)
    cpus_per_worker: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    readers_per_trial: int = Field(default=1, ge=0)

    @property
    def needs(self) -> dict[str, float]:
        """What a worker asks of Ray."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker > 0 else {}
        return {"CPU": self.cpus_per_worker, **gpus}

    def __str__(self) -> str:
        return " and ".join(f"{amount:g} {name}" for name, amount in self.needs.items())

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.workers_per_trial > 1 and 0 < self.gpus_per_worker < 1:
            raise ValueError("workers of one trial cannot share a GPU (NCCL); give gpus_per_worker a whole number")
        if self.gpus_per_worker > 1 and not self.gpus_per_worker.is_integer():
            raise ValueError("gpus_per_worker must be a whole number when it is above 1")
        return self
