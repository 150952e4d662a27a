"""How the workers of a gang find each other: as with Ray Train's own `TorchConfig`, whose module imports torch.

The process that controls a gang unpickles this, before it starts workers, and computes nothing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig

# as Ray Train: of workers that do not leave their group by then, it ends the processes
LEAVE_SECONDS = 30.0


@dataclass
class GangBackendConfig(BackendConfig):  # type: ignore[misc]
    """In the place of a `TorchConfig`.

    Attributes:
        backend: of torch.distributed; `TorchTrainer` reads it, too.
    """

    backend: str

    @property
    def backend_cls(self) -> type[GangBackend]:
        """See `BackendConfig`."""
        return GangBackend

    @property
    def train_func_context(self) -> Any:  # noqa: ANN401
        """See `BackendConfig`; asked in the driver, for the workers."""
        from ray.train.torch.config import TorchConfig

        return TorchConfig().train_func_context


class GangBackend(Backend):  # type: ignore[misc]
    """Runs in the controller, and has the workers do what Ray Train's own has them do."""

    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: GangBackendConfig) -> None:  # noqa: ANN401
        """See `Backend`."""
        address, port = worker_group.execute_single(0, get_address_and_port)
        size, name = len(worker_group), backend_config.backend
        ray.get(
            [
                worker_group.execute_single_async(rank, _join_group, name, rank, size, address, port)
                for rank in range(size)
            ]
        )

    def on_shutdown(self, worker_group: Any, backend_config: GangBackendConfig) -> None:  # noqa: ANN401
        """See `Backend`."""
        with contextlib.suppress(GetTimeoutError):
            ray.get(worker_group.execute_async(_leave_group, len(worker_group)), timeout=LEAVE_SECONDS)


def _join_group(name: str, rank: int, size: int, address: str, port: int) -> None:
    from ray.train.torch import config

    os.environ.update(MASTER_ADDR=address, MASTER_PORT=str(port))
    config._set_torch_distributed_env_vars()
    config._setup_torch_process_group(name, rank, size, "env://")


def _leave_group(size: int) -> None:
    from ray.train.torch import config

    config._shutdown_torch(destroy_process_group=size > 1)
