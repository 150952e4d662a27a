"""TrialActor: the process that trains one trial after another, an epoch per call."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from ray import tune

from orchestrator.data import AnyDataset, StreamedDataset
from orchestrator.errors import LostGpuError, OrchestratorError, UnreachableStorageError
from orchestrator.execution.session import Job, TrialSession, WorkerSettings, watched
from orchestrator.training import Ranks


def open_stream(
    dataset: AnyDataset, settings: WorkerSettings, validation: Sequence[Any], ranks: Ranks
) -> dict[str, Any]:
    """What the training function gets besides, if the data set is a streamed one: `stream`.

    Of several workers, the first one starts the stream for all.
    """
    if not isinstance(dataset, StreamedDataset):
        return {}
    from orchestrator.execution.streaming import RayStream, split_training_rows

    splits = ranks.on_first(lambda: split_training_rows(dataset, ranks.size, settings.readers))
    return {"stream": RayStream(dataset, splits[ranks.rank], validation, ranks.rank, ranks.size)}


def failure_reason(error: BaseException) -> str:
    """One line about why a trial cannot go on."""
    if isinstance(error, OrchestratorError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the training code called sys.exit({'' if error.code is None else error.code})"
    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU's memory was not enough; lower batch_size or raise accumulation"
    text = str(error)
    if isinstance(error, torch.AcceleratorError):
        # what follows is advice for those who look for bugs in kernels
        text = text.strip().partition("\n")[0]
    return f"{type(error).__name__}: {' '.join(text.split())}"


def has_lost_its_gpu() -> bool:
    """Whether this process can use its GPU no more: after some errors every CUDA call fails, too."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def free_memory() -> None:
    """Gives back what a trial held: its network is in reference cycles, its GPU memory in torch's cache."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Tune's view of an attempt at a trial: `step` is one epoch; the process is used again for the next attempt."""

    _messages: Iterator[dict[str, Any]] | None = None

    def setup(
        self, config: dict[str, Any], *, dataset: AnyDataset, settings: WorkerSettings, validation: Sequence[Any]
    ) -> None:
        """Called once per process; `dataset` lies in Ray's object store and is not copied."""
        self.dataset, self.settings = dataset, settings
        self._more = open_stream(dataset, settings, validation, Ranks())
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
            See `Director.heard`. A trial that cannot go on reports `failure` and objective NaN instead of raising: an
            exception costs the process, which is right only after an error of the GPU that stays.
        """
        reason, lost = "the training function has ended without a last epoch", False
        try:
            with watched(self.settings.epoch_timeout):
                message = None if self._messages is None else next(self._messages, None)
        except (Exception, SystemExit) as error:  # a user's network may raise anything
            if has_lost_its_gpu():
                raise LostGpuError(failure_reason(error)) from None
            message, reason, lost = None, failure_reason(error), isinstance(error, UnreachableStorageError)
        if message is None:
            self.cleanup()
            free_memory()
            return {"failure": reason, "lost": lost, "objective": float("nan"), "over": True, "done": True}
        return {**message, "over": message["done"]}

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
        job = Job.from_text(config["job"])
        self._messages = TrialSession(job, self.dataset, self.settings, Ranks(), self._more).messages()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: checkpoints are written as the trial goes on, into the storage of the sweep."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, see `save_checkpoint`."""
