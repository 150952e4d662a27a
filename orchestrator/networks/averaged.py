"""`Averaged`: several networks as one, whose answers are the mean of theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT
from orchestrator.networks.arguments import inputs_taken


class Averaged(nn.Module):
    """The mean of the answers of several networks, as one network that can be exported as any other.

    Members may take different inputs; each gets those that its `forward` names.

    forward(numeric, categorical, text, only if the data has texts) -> float32 [batch, outputs]

    Attributes:
        members: the networks, each once.
        counts: how often each counts.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        average: Callable[[Tensor], Tensor],
        names: Sequence[str],
        counts: Sequence[int] | None = None,
    ) -> None:
        """Args:
        members: networks with equally many outputs, one at least.
        average: `Task.average` of their task.
        names: of the inputs that the data has.
        counts: how often each member counts, 1 at least; all count once if left out.

        Raises:
            ValueError: there is no member, or not one count for each, or one below 1.
            ArchitectureError: a member takes inputs that there are not.
        """
        super().__init__()
        self.counts = tuple(counts if counts is not None else [1] * len(members))
        if not members or len(self.counts) != len(members) or min(self.counts) < 1:
            raise ValueError("each of the networks, one at least, counts once at least")
        self.members = nn.ModuleList(members)
        self._average = average
        self._taken = [inputs_taken(member, names) for member in members]

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        inputs = {NUMERIC: numeric, CATEGORICAL: categorical, TEXT: text}
        outputs: list[Tensor] = []
        for member, taken, count in zip(self.members, self._taken, self.counts, strict=True):
            outputs += [member(*(inputs[name] for name in taken))] * count
        return self._average(torch.stack(outputs)) if len(outputs) > 1 else outputs[0]
