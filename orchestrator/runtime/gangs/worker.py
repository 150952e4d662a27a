"""What each worker of a gang runs: trial after trial, until the driver has no more."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, replace
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.train.torch import prepare_model
from torch import nn

from orchestrator.errors import OrchestratorError, UnreachableStorageError
from orchestrator.runtime.gangs.rendezvous import LOST, GangAssignment
from orchestrator.runtime.streaming.rows import open_stream
from orchestrator.runtime.worker.failures import failure_reason, free_memory, has_lost_its_gpu
from orchestrator.runtime.worker.session import TrialSession, WorkerSettings, watched
from orchestrator.sweeps.messages import FailureMessage, TrialMessage
from orchestrator.training import ProcessGroupRanks, Ranks

PEER_ERRORS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL")


@dataclass(frozen=True)
class Post:
    """A worker's line to the rendezvous."""

    rendezvous: Any
    gang: str
    generation: str
    rank: int

    def next_attempt(self) -> GangAssignment | None:
        """Waits for a trial; None: the end."""
        found: GangAssignment | None = ray.get(
            self.rendezvous.next_attempt.remote(self.gang, self.generation, self.rank)
        )
        return found

    def report(self, index: int, message: TrialMessage, *, closing: bool = False) -> bool:
        """Whether to go on."""
        reply = self.rendezvous.report.remote(self.gang, self.generation, index, message, closing=closing)
        return bool(ray.get(reply))


def gang_worker(config: dict[str, Any]) -> None:
    """Ray Train's training function.

    Args:
        config: `rendezvous` (its actor) and `gang` (its name there).
    """
    context = ray.train.get_context()
    generation = [secrets.token_hex(8)]
    if context.get_world_size() > 1:
        dist.broadcast_object_list(generation)
    post = Post(config["rendezvous"], config["gang"], generation[0], context.get_world_rank())
    here = ray.get_runtime_context().current_actor
    ray.get(post.rendezvous.join.remote(post.gang, post.generation, post.rank, here))
    held = None
    while (assignment := post.next_attempt()) is not None:
        held = _train_assigned(assignment, post, held)


@dataclass
class Held:
    """What a worker keeps from one trial to the next.

    Attributes:
        group: of all workers of the gang, None in a gang of one.
        more: what the training function gets besides, see `open_stream`; made with the first trial.
    """

    group: dist.ProcessGroup | None
    more: dict[str, Any] | None = None

    @property
    def ranks(self) -> Ranks:
        """For training."""
        return Ranks() if self.group is None else ProcessGroupRanks(self.group, _prepare)


def _train_assigned(assignment: GangAssignment, post: Post, held: Held | None) -> Held | None:
    """One trial; whatever goes wrong is reported, and the worker is ready for the next one.

    Args:
        assignment: what to train.
        post: to report to.
        held: of the trial before.

    Returns:
        What can be used again, as far as this worker knows.
    """
    if held is None or not assignment.clean:
        held = Held(dist.new_group() if dist.is_initialized() else None)
    try:
        if held.group is not None:
            # none may fail, and leave, before all are in
            dist.barrier(held.group)
        _train(assignment, post, held)
    except (Exception, SystemExit) as error:  # a user's network may raise anything
        sticky, reason = has_lost_its_gpu(), _reason(error)
        lost = sticky or reason == LOST or isinstance(error, UnreachableStorageError)
        post.report(assignment.attempt.index, FailureMessage(reason, lost), closing=sticky)
        if sticky:
            raise
    else:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            # the next trial may be long in coming, and others share the card
            free_memory()
        return held
    if held.group is not None:
        # the others, if they are still computing, learn in this way that it is over
        dist.destroy_process_group(held.group)
    free_memory()
    return None


def _train(assignment: GangAssignment, post: Post, held: Held) -> None:
    settings: WorkerSettings
    reference, settings, validation = ray.get(assignment.context)
    dataset, ranks = ray.get(reference), held.ranks
    torch.set_num_threads(settings.threads)
    if str(settings.modules) not in sys.path:
        sys.path.append(str(settings.modules))
    if held.more is None:
        held.more = open_stream(dataset, settings.readers, validation, ranks)
    settings = replace(settings, device=str(ray.train.torch.get_device()))
    messages = TrialSession(assignment.attempt, dataset, settings, ranks, held.more).messages()
    while True:
        with watched(settings.epoch_timeout):
            message = next(messages, None)
        if message is None:
            return

        def decide(message: TrialMessage = message) -> bool:
            return post.report(assignment.attempt.index, message)

        if not ranks.on_first(decide):
            return


def _prepare(network: nn.Module, options: dict[str, Any]) -> nn.Module:
    prepared: nn.Module = prepare_model(network, parallel_strategy_kwargs=options)
    return prepared


def _reason(error: BaseException) -> str:
    if not isinstance(error, OrchestratorError) and any(words in str(error) for words in PEER_ERRORS):
        return LOST
    return failure_reason(error)
