"""Why a trial cannot go on, and what is left of its process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import torch

from orchestrator.errors import LostGpuError, OrchestratorError, UnreachableStorageError
from orchestrator.sweeps.messages import EpochMessage, FailureMessage, TrialMessage


def next_message(messages: Iterator[EpochMessage]) -> TrialMessage:
    """Trains an epoch of a trial.

    Returns:
        What `TrialSession` says of it. Of a trial that cannot go on it is a `FailureMessage` instead of an exception,
        which would cost the process: that is right only after an error of the GPU that stays.

    Raises:
        LostGpuError: this process can use its GPU no more.
    """
    try:
        message = next(messages, None)
    except (Exception, SystemExit) as error:  # a user's network may raise anything
        if has_lost_its_gpu():
            raise LostGpuError(failure_reason(error)) from None
        return FailureMessage(failure_reason(error), lost=isinstance(error, UnreachableStorageError))
    return message or FailureMessage("the training function has ended without a last epoch")


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
    """Gives back what a failed trial held: its network is in reference cycles, its GPU memory in torch's cache."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
