"""What a network is trained to make small: the loss of its task, over members and weighed rows."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from orchestrator.tasks import Task
from orchestrator.training.rows import Batch

Loss = Callable[[Tensor, Tensor], Tensor]
BatchLoss = Callable[[Tensor, Batch], Tensor]
# of outputs [rows, members, outputs]
MEMBER_DIMENSIONS = 3


def batch_loss(task: Task, smoothing: float, class_weights: Tensor | None = None) -> BatchLoss:
    """loss(outputs, batch) -> the sum of the losses of its rows, each as often as it counts.

    Args:
        task: of the network.
        smoothing: see `Task.loss`.
        class_weights: what a row of each class counts besides, float32 [classes]; None if all count the same.
    """
    plain = member_loss(task.loss(smoothing))
    each = task.loss(smoothing, each=True)

    def total(outputs: Tensor, batch: Batch) -> Tensor:
        weight = batch.weight
        if class_weights is not None:
            counts = class_weights[batch.target]
            weight = counts if weight is None else weight * counts
        if weight is None:
            return plain(outputs, batch.target)
        return member_loss(lambda found, target: (each(found, target) * _repeated(weight, found)).sum())(
            outputs, batch.target
        )

    return total


def member_loss(loss: Loss) -> Loss:
    """A loss that also takes the outputs of several members of a network, float32 [rows, members, outputs].

    It is the mean of the members' losses, so that each of them learns by itself (Gorishniy et al. 2025, section 3).
    """

    def total(outputs: Tensor, target: Tensor) -> Tensor:
        if outputs.dim() < MEMBER_DIMENSIONS:
            return loss(outputs, target)
        members = outputs.shape[1]
        return loss(outputs.flatten(0, 1), target.repeat_interleave(members, dim=0)) / members

    return total


def _repeated(weight: Tensor, outputs: Tensor) -> Tensor:
    """Of rows that stand there once for each member."""
    return weight.repeat_interleave(len(outputs) // max(1, len(weight)), dim=0)
