"""Free text in a network: hashed tokens, weighted by how rare they are, embedded and averaged."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from orchestrator.errors import ArchitectureError
from orchestrator.inputs import TEXT

WIDTH = 32
# so much of the tokens a network does not see in a training step: what it learns must not hang on a few words
DROPPED = 0.5
# a new token says nothing
FIRST_SPREAD = 0.01
SCALE = 3.0


class TextInput(nn.Module):
    """The average of the embeddings of a row's tokens, each weighted by its inverse document frequency.

    As in TF-IDF, a token that fewer training rows have weighs more, and the weights of a row have the same length,
    however long its text is.

    forward(tokens: int64 [batch, any], see `orchestrator.features.text`) -> float32 [batch, WIDTH]
    """

    rarity: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.width = WIDTH
        self.table = nn.Embedding(codes, WIDTH, padding_idx=0)
        nn.init.normal_(self.table.weight, std=FIRST_SPREAD)
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
            tokens = tokens * (torch.rand(tokens.shape, device=tokens.device) >= DROPPED)
        places = tokens.abs()
        weights = self.rarity[places] * tokens.sign()
        length = weights.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
        weights = SCALE * weights / length
        if torch.compiler.is_exporting():
            # the same in operators that every engine has, at the price of memory
            average: Tensor = (self.table(places) * weights.unsqueeze(2)).sum(dim=1)
            return average
        return nn.functional.embedding_bag(places, self.table.weight, per_sample_weights=weights, mode="sum")
