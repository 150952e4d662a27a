"""How the parameters of a network are trained: with the learning rate and weight decay of the trial, or otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained alike.

    Attributes:
        learning_rate_factor: of the trial's learning rate.
        decays: whether the trial's weight decay is for them.
        epsilon: of Adam and AdamW times the batch size, as the gradient of a row is a share of that of its batch; None:
            torch's default. A step is the learning rate times the mean gradient, divided by the root of its mean square
            plus epsilon. So parameters whose gradients are far below it are trained as by gradient descent: those that
            matter in few rows change little.
    """

    learning_rate_factor: float = 1.0
    decays: bool = True
    epsilon: float | None = None
