"""TrialActor: the process that trains one trial after another, an epoch per call."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from ray import tune

from orchestrator.data import Dataset
from orchestrator.runtime.streaming.rows import open_stream
from orchestrator.runtime.tune.envelope import attempt_of, to_result
from orchestrator.runtime.worker.failures import free_memory, next_message
from orchestrator.runtime.worker.session import TrialSession, WorkerSettings, watched
from orchestrator.sweeps.messages import EpochMessage, FailureMessage
from orchestrator.training import Ranks


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Tune's view of an attempt at a trial: `step` is one epoch; the process is used again for the next attempt."""

    _messages: Iterator[EpochMessage] | None = None

    def setup(
        self, config: dict[str, Any], *, dataset: Dataset, settings: WorkerSettings, validation: Sequence[Any]
    ) -> None:
        """Called once per process; `dataset` lies in Ray's object store and is not copied."""
        self.dataset, self.settings = dataset, settings
        self._more = open_stream(dataset, settings.readers, validation, Ranks())
        torch.set_num_threads(settings.threads)
        if str(settings.modules) not in sys.path:
            sys.path.append(str(settings.modules))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts the next attempt in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains one epoch.

        Returns:
            See `to_result` and `next_message`.

        Raises:
            LostGpuError: the process is of no more use.
        """
        with watched(self.settings.epoch_timeout):
            message = next_message(self._messages or iter(()))
        if isinstance(message, FailureMessage):
            self.cleanup()
            free_memory()
        return to_result(message)

    def release(self) -> None:
        """The trial is over, and the next one may be long in coming: lets go of the network and its GPU memory."""
        if self._messages is not None:
            self._messages = None
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                free_memory()

    def cleanup(self) -> None:
        """Tune: the process is about to end."""
        self._messages = None

    def _begin(self, config: Mapping[str, Any]) -> None:
        self.release()
        self._messages = TrialSession(attempt_of(config), self.dataset, self.settings, Ranks(), self._more).messages()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: checkpoints are written as the trial goes on, into the storage of the sweep."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, see `save_checkpoint`."""
