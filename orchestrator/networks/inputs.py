"""What every network starts with: the shape of the data, and the join of numbers and embedded categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from orchestrator.features.fitted import FIRST_CATEGORY
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, InputSpec
from orchestrator.networks.embeddings import PERIODIC, PIECEWISE, PeriodicEmbedding, PiecewiseLinearEmbedding
from orchestrator.networks.repeated_numbers import RepeatedNumbers
from orchestrator.networks.scaling import SCALINGS, smoothly_clipped
from orchestrator.networks.text import TextInput

MAX_EMBEDDING_WIDTH = 50
PIECEWISE_WIDTH, PIECEWISE_BINS = 12, 16


def _mean(outputs: Tensor) -> Tensor:
    return outputs.mean(0)


@dataclass(frozen=True)
class FeatureShape:
    """What a network has to know of the data.

    Attributes:
        inputs: what it may take, by name.
        outputs: width of the output, as the task wants it: logits, or standardised numbers; see `Task.outputs`.
        classes: among which a row's label is; 0 where numbers are predicted.
        average: of the outputs of several members of a network, float32 [members, batch, outputs], those of which the
            answers are the mean of theirs, float32 [batch, outputs]; see `Task.average`.
    """

    inputs: tuple[InputSpec, ...]
    outputs: int
    classes: int = 0
    average: Callable[[Tensor], Tensor] = field(default=_mean, repr=False, compare=False)

    @classmethod
    def of_table(cls, numeric: int, cardinalities: tuple[int, ...], outputs: int) -> FeatureShape:
        """Of numbers and categories; see the attributes."""
        specs = (
            InputSpec(name=NUMERIC, dtype="float32", shape=(numeric,)),
            InputSpec(name=CATEGORICAL, dtype="int64", shape=(len(cardinalities),), codes=cardinalities),
        )
        return cls(specs, outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def numeric(self) -> int:
        """Width of the input `numeric`."""
        return self._spec(NUMERIC).shape[0] or 0

    @property
    def two_values(self) -> tuple[int, ...]:
        """Columns of `numeric` that say yes or no; see `InputSpec`."""
        return self._spec(NUMERIC).two_values

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column of `categorical`; code 0 is a category never seen in training."""
        return self._spec(CATEGORICAL).codes

    def _spec(self, name: str) -> InputSpec:
        return next(spec for spec in self.inputs if spec.name == name)


def embedding_width(cardinality: int) -> int:
    """Width for a table of `cardinality` rows: 1.6 n^0.56, at most 50 (the rule of fastai's tabular models)."""
    return min(MAX_EMBEDDING_WIDTH, max(1, math.ceil(1.6 * math.pow(cardinality, 0.56))))


def text_input(shape: FeatureShape) -> TextInput | None:
    """The layer for the texts of the data, None if it has none."""
    tokens = [spec.codes[0] for spec in shape.inputs if spec.name == TEXT]
    return TextInput(tokens[0]) if tokens else None


Embedding = PeriodicEmbedding | PiecewiseLinearEmbedding


def embedding_of(
    name: str, width: int = PIECEWISE_WIDTH, bins: int = PIECEWISE_BINS
) -> Callable[[int], Embedding] | None:
    """What makes an embedding of so many columns of numbers; None for none.

    Args:
        name: none, periodic or piecewise.
        width, bins: of a piecewise-linear one.
    """
    if name == PIECEWISE:
        return partial(PiecewiseLinearEmbedding, width=width, bins=bins)
    return PeriodicEmbedding if name == PERIODIC else None


class NumericInput(nn.Module):
    """The input `numeric`, scaled, and each amount as several numbers.

    Of a column of two values an embedding would say nothing more, since any map of two values is a line: such a column
    stays one number, as a category of two values is.

    forward(numeric: float32 [batch, columns]) -> float32 [batch, width]: amounts first, then columns of two values

    Attributes:
        blocks: how many numbers of the output are of one column, for each of them.
    """

    amounts: Tensor
    others: Tensor

    def __init__(
        self,
        shape: FeatureShape,
        scaling: str = "standard",
        embedding: Callable[[int], Embedding] | None = None,
        repeated: int = 0,
    ) -> None:
        """Args:
        shape: of the data.
        scaling: a name in `SCALINGS`.
        embedding: makes the one of the amounts, see `embedding_of`.
        repeated: numbers of each amount that are categories, too; see `RepeatedNumbers`.
        """
        super().__init__()
        others = list(shape.two_values) if embedding is not None or repeated else []
        amounts = [column for column in range(shape.numeric) if column not in others]
        self.register_buffer("amounts", torch.tensor(amounts, dtype=torch.int64), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.int64), persistent=False)
        kind = SCALINGS[scaling]
        self.scaling = None if kind is None or not amounts else kind(len(amounts))
        self.embedding = embedding(len(amounts)) if embedding is not None and amounts else None
        self.repeated = RepeatedNumbers(len(amounts), repeated) if amounts and repeated else None
        each = 1 if self.embedding is None else self.embedding.width
        each += 0 if self.repeated is None else self.repeated.width
        self.blocks = [each] * len(amounts) + [1] * len(others)
        self.width = sum(self.blocks)

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Fits what is to be fitted on training rows."""
        amounts = self._amounts_of(inputs[NUMERIC])
        if self.repeated is not None:
            self.repeated.fit(amounts)
        if self.scaling is not None:
            self.scaling.fit(amounts)
        if isinstance(self.embedding, PiecewiseLinearEmbedding):
            self.embedding.fit(self._scaled(amounts))

    def forward(self, numeric: Tensor) -> Tensor:
        """See the class."""
        amounts = self._amounts_of(numeric)
        scaled = self._scaled(amounts)
        parts = [scaled.unsqueeze(2) if self.embedding is None else self.embedding(scaled)]
        if self.repeated is not None:
            parts.append(self.repeated(amounts))
        flat = torch.cat(parts, dim=2).flatten(1)
        if not len(self.others):
            return flat
        # as they come, standardised, so that a rare yes is far from a no
        return torch.cat([flat, smoothly_clipped(numeric.index_select(1, self.others))], dim=1)

    def _amounts_of(self, numeric: Tensor) -> Tensor:
        return numeric.index_select(1, self.amounts) if len(self.others) else numeric

    def _scaled(self, amounts: Tensor) -> Tensor:
        if self.scaling is None:
            return amounts
        scaled: Tensor = self.scaling(amounts)
        return scaled


class CategoryInput(nn.Module):
    """The input `categorical`: one-hot where there are few categories, else a learned embedding.

    Two categories are one number, -1 or 1. A category that training did not see, and one that is missing, are zeros.

    forward(categorical: int64 [batch, columns]) -> (float32 [batch, one_hot_width], float32 [batch, embedded_width])
    """

    def __init__(self, cardinalities: Sequence[int], one_hot_limit: int, width: int | None = None) -> None:
        """Args:
        cardinalities: codes of each column, see `FeatureShape`.
        one_hot_limit: categories that are one-hot at most.
        width: of an embedding; by `embedding_width` if left out.
        """
        super().__init__()
        counts = [cardinality - FIRST_CATEGORY for cardinality in cardinalities]
        self.one_hot = [column for column, count in enumerate(counts) if count <= one_hot_limit]
        self.embedded = [column for column, count in enumerate(counts) if count > one_hot_limit]
        self.sizes = [one_hot_table(counts[column]).shape[1] for column in self.one_hot]
        for column in self.one_hot:
            self.register_buffer(f"table_{column}", one_hot_table(counts[column]))
        # row 0 (never seen in training) stays zero: such a value says nothing
        self.embedded_widths = [width or embedding_width(cardinalities[column]) for column in self.embedded]
        self.embeddings = nn.ModuleList(
            nn.Embedding(cardinalities[column], each, padding_idx=0)
            for column, each in zip(self.embedded, self.embedded_widths, strict=True)
        )
        self.one_hot_width = sum(self.sizes)

    def forward(self, categorical: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        hot = [
            nn.functional.embedding(categorical[:, column], self.get_buffer(f"table_{column}"))
            for column in self.one_hot
        ]
        learned = [
            embedding(categorical[:, column]) for column, embedding in zip(self.embedded, self.embeddings, strict=True)
        ]
        nothing = categorical.new_zeros((categorical.shape[0], 0), dtype=torch.float32)
        return torch.cat([nothing, *hot], dim=1), torch.cat([nothing, *learned], dim=1)


def one_hot_table(count: int) -> Tensor:
    """A row for each code of a column with so many categories: float32 [codes, width]."""
    columns = torch.tensor([[-1.0], [1.0]]) if count == 2 else torch.eye(count)  # noqa: PLR2004
    return torch.cat([torch.zeros(FIRST_CATEGORY, columns.shape[1]), columns])


class FeatureInput(nn.Module):
    """Concatenates the numeric input with one learned embedding per categorical input, and one of all texts.

    forward(numeric: float32 [batch, numeric], categorical: int64 [batch, columns], text: int64 [batch, tokens], only if
    the data has texts) -> float32 [batch, width]
    """

    def __init__(
        self, shape: FeatureShape, scaling: str = "standard", numeric_embedding: str = "none", repeated: int = 0
    ) -> None:
        """Args:
        shape: of the data.
        scaling, numeric_embedding, repeated: see `NumericInput`.
        """
        super().__init__()
        plain = (scaling, numeric_embedding, repeated) == ("standard", "none", 0)
        # what has to be fitted reads rows, so that it is there only if it does something
        self.numbers = None if plain else NumericInput(shape, scaling, embedding_of(numeric_embedding), repeated)
        # row 0 (never seen in training) stays zero: such a value says nothing
        self.embeddings = nn.ModuleList(
            nn.Embedding(cardinality, embedding_width(cardinality), padding_idx=0)
            for cardinality in shape.cardinalities
        )
        self.width = shape.numeric if self.numbers is None else self.numbers.width
        self.width += sum(embedding_width(cardinality) for cardinality in shape.cardinalities)
        self.text = text_input(shape)
        if self.text is not None:
            self.width += self.text.width

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class.

        Raises:
            ArchitectureError: the data has texts, which the network does not pass on.
        """
        parts = [numeric if self.numbers is None else self.numbers(numeric)]
        for column, embedding in enumerate(self.embeddings):
            parts.append(embedding(categorical[:, column]))
        if self.text is not None:
            parts.append(self.text(text))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
