"""Free text in a network: hashed tokens, weighted by how rare they are, embedded and averaged, or added to answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from orchestrator.errors import ArchitectureError
from orchestrator.inputs import TEXT
from orchestrator.networks.groups import ParameterGroup

WIDTH = 32
# so much of the tokens a network does not see in a training step: what it learns must not hang on a few words
DROPPED = 0.5
ANSWER_DROPPED = 0.3
# a new token says nothing
FIRST_SPREAD = 0.01
SCALE = 3.0
# where the average is an answer: numbers of the table stay small while answers become sure
ANSWER_SCALE = 10.0
# of texts in a network's answers, whatever the network's own is
LEARNING_RATE = 0.01
# of rows: with Adam's own a token of one row changes as much as one of many
EPSILON = 1.0
# with Adam's own
LOWER_LEARNING_RATE = 0.006
# of outputs of a network whose members are trained each by itself
MEMBER_DIMENSIONS = 3


class TextInput(nn.Module):
    """The average of the embeddings of a row's tokens, each weighted by its inverse document frequency.

    As in TF-IDF, a token that fewer training rows have weighs more, and the weights of a row have the same length,
    however long its text is.

    forward(tokens: int64 [batch, any], see `orchestrator.features.text`) -> float32 [batch, width]
    """

    rarity: Tensor

    def __init__(
        self,
        codes: int,
        width: int = WIDTH,
        *,
        spread: float = FIRST_SPREAD,
        scale: float = SCALE,
        dropped: float = DROPPED,
    ) -> None:
        """Args:
        codes: of tokens, 0 included.
        width: of an embedding.
        spread: of the first embeddings.
        scale: length of the weights of a row.
        dropped: share of the tokens that a training step does not see.
        """
        super().__init__()
        self.width = width
        self.table = nn.Embedding(codes, width, padding_idx=0)
        nn.init.normal_(self.table.weight, std=spread)
        self._scale = scale
        self._dropped = dropped
        self.register_buffer("rarity", torch.cat([torch.zeros(1), torch.ones(codes - 1)]))

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Counts in how many training rows each token is."""
        tokens = inputs[TEXT]
        rows = torch.bincount(tokens.abs().flatten(), minlength=len(self.rarity))
        self.rarity.copy_(torch.log((1 + len(tokens)) / (1 + rows)) + 1)
        self.rarity[0] = 0.0

    def forward(self, tokens: Tensor | None) -> Tensor:
        """See the class.

        Raises:
            ArchitectureError: the data has texts, which the network does not pass on.
        """
        if tokens is None:
            raise ArchitectureError(
                "the data has free text: a network with FeatureInput must have an argument `text` and pass it on"
            )
        if self.training:
            tokens = tokens * (torch.rand(tokens.shape, device=tokens.device) >= self._dropped)
        places = tokens.abs()
        weights = self.rarity[places] * tokens.sign()
        length = weights.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
        weights = self._scale * weights / length
        if torch.compiler.is_exporting():
            # the same in operators that every engine has, at the price of memory
            average: Tensor = (self.table(places) * weights.unsqueeze(2)).sum(dim=1)
            return average
        return nn.functional.embedding_bag(places, self.table.weight, per_sample_weights=weights, mode="sum")


class TextAnswer(nn.Module):
    """What texts say by themselves: of each token a number for each output, weighted as in `TextInput` and summed.

    Texts have more different words than rows. A linear model of them is hard to beat, and layers above them know the
    training rows by heart after an epoch or two; docs/quality.md has figures.

    forward(text: int64 [batch, any]) -> float32 [batch, outputs]
    """

    def __init__(self, codes: int, outputs: int, group: ParameterGroup) -> None:
        """Args:
        codes: of tokens, 0 included.
        outputs: of the network.
        group: how what tokens say is trained.
        """
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))
        direct = outputs <= WIDTH
        # nothing is said about a token that training has not seen
        self.tokens = TextInput(
            codes,
            min(outputs, WIDTH),
            spread=0.0 if direct else FIRST_SPREAD,
            scale=ANSWER_SCALE,
            dropped=ANSWER_DROPPED,
        )
        # many outputs share a smaller table
        self.outputs = None if direct else nn.Linear(WIDTH, outputs, bias=False)
        self._group = group

    def group_of(self, name: str) -> ParameterGroup:
        """How a parameter is trained, see `orchestrator.training.optimization.parameter_groups`."""
        return self._group if name.startswith("tokens.") else ParameterGroup()

    def forward(self, text: Tensor) -> Tensor:
        """See the class."""
        said: Tensor = self.tokens(text)
        return self.bias + (said if self.outputs is None else self.outputs(said))


class WithTexts(nn.Module):
    """A network of numbers and categories, to whose outputs those of texts are added.

    forward(numeric, categorical, text) -> float32 [batch, outputs], while it is trained [batch, members, outputs] where
    the network has members
    """

    def __init__(self, network: nn.Module, texts: TextAnswer, average: Callable[[Tensor], Tensor]) -> None:
        """Args:
        network: whose members, if it has some, are not averaged.
        texts: with as many outputs.
        average: of members, see `FeatureShape`.
        """
        super().__init__()
        self.network = network
        self.texts = texts
        self._average = average

    def group_of(self, name: str) -> ParameterGroup:
        """How a parameter is trained, see `orchestrator.training.optimization.parameter_groups`."""
        part, _, rest = name.partition(".")
        group_of: Callable[[str], ParameterGroup] | None = getattr(getattr(self, part), "group_of", None)
        return ParameterGroup() if group_of is None else group_of(rest)

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor) -> Tensor:
        """See the class."""
        outputs: Tensor = self.network(numeric, categorical)
        said: Tensor = self.texts(text)
        if outputs.dim() < MEMBER_DIMENSIONS:
            return outputs + said
        outputs = outputs + said.unsqueeze(1)
        return outputs if self.training else self._average(outputs.transpose(0, 1))
