"""GangTrial: Tune's view of a trial that a gang trains. Imports no torch: its process only passes messages on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from orchestrator.runtime.gangs.rendezvous import GangAssignment
from orchestrator.runtime.tune.envelope import attempt_of, to_result


@dataclass(frozen=True)
class Line:
    """What a trial needs to have a gang train it.

    Attributes:
        rendezvous: the actor.
        context: reference to the pair of data set and `WorkerSettings`, which only workers look at.
    """

    rendezvous: Any
    context: Any


class GangTrial(tune.Trainable):  # type: ignore[misc]
    """`step` is one epoch of a gang; the process is used again for the next attempt at a trial."""

    def setup(self, config: dict[str, Any], *, line: Line) -> None:
        """Called once per process."""
        self._line = line
        self._reported = False
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts the next trial."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Waits for one epoch of the gang.

        Returns:
            As `TrialActor.step`.
        """
        message = ray.get(self._line.rendezvous.advance.remote(self._index, go_on=self._reported))
        self._reported = True
        return to_result(message)

    def release(self) -> None:
        """Nothing: workers let go of what they trained by themselves."""

    def _begin(self, config: dict[str, Any]) -> None:
        attempt = attempt_of(config)
        self._index, self._reported = attempt.index, False
        ray.get(self._line.rendezvous.begin.remote(GangAssignment(attempt, self._line.context)))

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: workers write checkpoints into the storage of the sweep."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, see `save_checkpoint`."""
