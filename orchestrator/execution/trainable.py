"""TrialActor: the process that trains one trial after another, an epoch per call."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from ray import tune
from torch import nn

from orchestrator.data import AnyDataset, StreamedDataset
from orchestrator.errors import OrchestratorError
from orchestrator.storage import Storage
from orchestrator.training import EpochReport, Ranks, TrialSpec, pack_weights, train_trial

Train = Callable[..., Iterator[EpochReport]]


@dataclass(frozen=True)
class ActorSettings:
    """The same for all trials of a sweep.

    Attributes:
        storage: for the weights of best epochs.
        threads: for torch.
        device: cpu or cuda.
        train: the training function, with the signature of `train_trial`.
        readers: cores that read a streamed data set for a trial.
        modules: folder in which a user's own modules are looked for.
    """

    storage: Storage
    threads: int
    device: str = "cpu"
    train: Train = train_trial
    readers: int = 0
    modules: Path = field(default_factory=Path.cwd)


def weights_name(index: int) -> str:
    """Under which the best weights of a trial are in the storage of a sweep."""
    return f"trial-{index:04d}.safetensors"


def keep_best(settings: ActorSettings, index: int) -> Callable[[nn.Module], None]:
    """Writes the weights of a trial's best epoch; pass it to the training function as `on_best`."""
    name = weights_name(index)

    def keep(network: nn.Module) -> None:
        settings.storage.write(name, pack_weights(network))

    return keep


def open_stream(
    dataset: AnyDataset, settings: ActorSettings, validation: Sequence[Any], ranks: Ranks
) -> dict[str, Any]:
    """What the training function gets besides, if the data set is a streamed one: `stream`.

    Of several workers, the first one starts the stream for all.
    """
    if not isinstance(dataset, StreamedDataset):
        return {}
    from orchestrator.execution.streaming import RayStream, split_training_rows

    splits = ranks.on_first(lambda: split_training_rows(dataset, ranks.size, settings.readers))
    return {"stream": RayStream(dataset, splits[ranks.rank], validation, ranks.rank, ranks.size)}


def failure_reason(error: Exception) -> str:
    """One line about why a trial cannot go on."""
    if isinstance(error, OrchestratorError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU's memory was not enough; lower batch_size or raise accumulation"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def is_sticky(error: Exception) -> bool:
    """Whether this process can use its GPU no more: every CUDA call after such an error fails, too."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def free_memory() -> None:
    """Gives back what a failed trial held: its network is in reference cycles, its GPU memory in torch's cache."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Tune's view of a trial: `step` is one epoch; the process is used again for the next trial."""

    def setup(
        self, config: dict[str, Any], *, dataset: AnyDataset, settings: ActorSettings, validation: Sequence[Any]
    ) -> None:
        """Called once per process; `dataset` lies in Ray's object store and is not copied."""
        self.dataset, self.settings = dataset, settings
        self._more = open_stream(dataset, settings, validation, Ranks())
        torch.set_num_threads(settings.threads)
        if str(settings.modules) not in sys.path:
            sys.path.append(str(settings.modules))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts the next trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains one epoch.

        Returns:
            `report`: an EpochReport as JSON; `objective`: its best value so far; `train_seconds` spent in the training
            function by this trial. A trial that cannot go on reports `failure` and objective NaN instead of raising:
            an exception costs the process, which is right only after an error of the GPU that stays.
        """
        started = time.perf_counter()
        try:
            report = next(self._reports)
        except Exception as error:  # a user's network may raise anything
            if is_sticky(error):
                raise
            reason = failure_reason(error)
            report = None
        if report is None:
            self.cleanup()
            free_memory()
            return {"failure": reason, "objective": float("nan"), "train_seconds": self._seconds, "done": True}
        self._seconds += time.perf_counter() - started
        return {
            "report": report.to_json(),
            "objective": report.best_value,
            "train_seconds": self._seconds,
            "done": report.last,
        }

    def cleanup(self) -> None:
        """Lets go of the network."""
        self._reports: Iterator[EpochReport] = iter(())

    def _begin(self, config: Mapping[str, Any]) -> None:
        # the one before may have been stopped in the middle: free its memory first
        self.cleanup()
        self._seconds = 0.0
        spec = TrialSpec.from_json(config["spec"])
        keep = keep_best(self.settings, config["index"])
        self._reports = self.settings.train(spec, self.dataset, on_best=keep, device=self.settings.device, **self._more)

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: the best weights are written as soon as there are any."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, see `save_checkpoint`."""
