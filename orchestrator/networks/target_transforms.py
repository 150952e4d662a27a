"""What networks are taught in the place of a skewed target, and the way back: layers that are fitted on training rows.

A network learns the standardised values of a rising function of the target. What it says is brought back in the
exported graph, so that outside of it nobody knows of the function: outputs are standardised targets as always.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT
from orchestrator.networks.arguments import inputs_taken

# of the positive values: what is much smaller is as good as zero
UNIT_QUANTILE = 0.05
# of the deviation: nearer to zero is zero, for float32 has rounded
ZERO = 1e-6
KNOTS = 256
# of a normal distribution: what the outermost training rows are
NORMAL_LIMIT = 3.5
# deviations beyond the training rows that answers may go to
BEYOND = 1.0
# quantiles of more values than this differ in nothing that matters, and torch.quantile takes no more
MAX_ROWS = 50_000
# halvings of an interval until the right shift is found, and of so many rows, evenly spaced
HALVINGS, SHIFT_ROWS = 24, 10_000


class TargetTransform(nn.Module, ABC):
    """A rising function of a target of numbers, standardised; the base of those below.

    forward(float32 [batch, outputs] of a network) -> standardised targets of the same shape

    Attributes:
        mean, std: of what `bent` makes of the training rows' target.
        ends: the smallest and the largest of what networks may say.
        shift: is added to what a network says, so that answers have the right mean, or median.
    """

    mean: Tensor
    std: Tensor
    ends: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", [0.0]), ("std", [1.0]), ("ends", [-1.0, 1.0]), ("shift", [0.0])):
            self.register_buffer(name, torch.tensor(values))

    def fit(self, target: Tensor, zero: float, one: float | None = None) -> None:
        """Takes the figures of training rows.

        Args:
            target: standardised, float32 [rows].
            zero: what 0 is when it is standardised.
            one: how long 1 is then, where the function is to be that of the metric itself.
        """
        ends = torch.stack(target.aminmax())
        target = target[:: -(-len(target) // MAX_ROWS)]
        self._fit(target, zero, one)
        bent = self.bent(target)
        self.mean.copy_(bent.mean())
        self.std.copy_(bent.std(correction=0).clamp_min(1e-6))
        self.ends.copy_(self.taught(ends) + torch.tensor([-BEYOND, BEYOND], device=target.device))

    def taught(self, target: Tensor) -> Tensor:
        """What a network is to learn for these targets, of the same shape."""
        return (self.bent(target) - self.mean) / self.std

    def forward(self, outputs: Tensor) -> Tensor:
        """See the class."""
        said = (outputs + self.shift).clamp(self.ends[0], self.ends[1])
        return self.back(said * self.std + self.mean)

    @abstractmethod
    def bent(self, target: Tensor) -> Tensor:
        """The function itself."""

    @abstractmethod
    def back(self, bent: Tensor) -> Tensor:
        """Its inverse."""

    @abstractmethod
    def _fit(self, target: Tensor, zero: float, one: float | None) -> None:
        """Fits the function, see `fit`."""

    # ---- the right answer of a network that has learned the mean of bent targets

    def shift_to_mean(self, outputs: Tensor, target: Tensor, weight: Tensor) -> None:
        """Sets the shift with which answers to rows have the mean of their targets.

        The mean of exp(x) is larger than exp of the mean of x. A ratio of means (Snowdon 1991) says by how much without
        an idea of how errors are distributed.

        Args:
            outputs: of the network, float32 [rows].
            target: standardised, float32 [rows]; of rows that were not trained on.
            weight: what each row counts, [rows].
        """
        rows = slice(None, None, -(-len(target) // SHIFT_ROWS))
        outputs, target, weight = outputs[rows], target[rows], weight[rows].double()
        wanted = (weight * target).sum()
        low, high = -(self.ends[1] - self.ends[0]), self.ends[1] - self.ends[0]
        for _ in range(HALVINGS):
            self.shift.copy_((low + high) / 2)
            if (weight * self(outputs)).sum() < wanted:
                low = self.shift.clone()
            else:
                high = self.shift.clone()

    def shift_to_median(self, outputs: Tensor, target: Tensor, weight: Tensor) -> None:
        """Sets the shift with which half of the targets are above the answers; see `shift_to_mean`."""
        missed, order = (self.taught(target) - outputs).sort()
        counted = weight[order].cumsum(0)
        self.shift.copy_(missed[int(torch.searchsorted(counted, counted[-1] / 2))])


class Log1p(TargetTransform):
    """log(1 + y / u), for targets that are nowhere negative.

    u is the 5 % quantile of those that are positive, so that it does not matter in which unit they are.
    """

    zero: Tensor
    unit: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(1))
        self.register_buffer("unit", torch.ones(1))

    def _fit(self, target: Tensor, zero: float, one: float | None) -> None:
        self.zero.fill_(zero)
        sizes = target - zero
        positive = sizes[sizes > ZERO]
        if one is not None:
            self.unit.fill_(one)
        elif len(positive):
            self.unit.copy_(positive.quantile(UNIT_QUANTILE))

    def bent(self, target: Tensor) -> Tensor:
        """See `TargetTransform`."""
        return ((target - self.zero) / self.unit).clamp_min(0).log1p()

    def back(self, bent: Tensor) -> Tensor:
        """See `TargetTransform`."""
        # as a difference, since ONNX has no expm1
        return (bent.exp() - 1) * self.unit + self.zero


class QuantileNormal(TargetTransform):
    """The rank of a target among the training rows as the quantile of a normal distribution, linear in between."""

    edges: Tensor
    heights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(-1, 1, KNOTS))
        self.register_buffer("heights", torch.linspace(-1, 1, KNOTS))

    def _fit(self, target: Tensor, zero: float, one: float | None) -> None:
        del zero, one
        shares = torch.linspace(0, 1, KNOTS, device=target.device)
        edges = target.quantile(shares)
        heights = torch.special.ndtri(shares).clamp(-NORMAL_LIMIT, NORMAL_LIMIT)
        # a value that many rows have takes the middle of its ranks
        same = edges.unsqueeze(1) == edges.unsqueeze(0)
        self.edges.copy_(edges)
        self.heights.copy_((same * heights).sum(1) / same.sum(1))

    def bent(self, target: Tensor) -> Tensor:
        """See `TargetTransform`."""
        return _along(target, self.edges, self.heights)

    def back(self, bent: Tensor) -> Tensor:
        """See `TargetTransform`."""
        return _along(bent, self.heights, self.edges)


def _along(values: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """A function that is linear between knots, and the same beyond the outermost as there."""
    widths, rises = knots[1:] - knots[:-1], heights[1:] - heights[:-1]
    slopes = torch.where(widths > 0, rises / widths.clamp_min(1e-30), torch.zeros_like(rises))
    inside = (values.unsqueeze(-1) - knots[:-1]).clamp_min(0).minimum(widths)
    return heights[0] + (inside * slopes).sum(-1)


# by the names of `TargetTransformName`
TRANSFORMS: dict[str, type[TargetTransform]] = {"log1p": Log1p, "quantile": QuantileNormal}


class BroughtBack(nn.Module):
    """A network that was taught a transformed target, and what brings its outputs back.

    forward(numeric, categorical, text, only if the data has texts) -> float32 [batch, outputs], standardised targets
    """

    def __init__(self, network: nn.Module, transform: TargetTransform, names: Sequence[str]) -> None:
        """Args:
        network: that learns what `transform` teaches.
        transform: fitted, or to be loaded with its weights.
        names: of the inputs that the data has.
        """
        super().__init__()
        self.network = network
        self.transform = transform
        self._taken = inputs_taken(network, names)

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        inputs = {NUMERIC: numeric, CATEGORICAL: categorical, TEXT: text}
        brought: Tensor = self.transform(self.network(*(inputs[name] for name in self._taken)))
        return brought
