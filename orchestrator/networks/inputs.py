"""What every network starts with: the shape of the data, and the join of numbers and embedded categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from orchestrator.features.fitted import FIRST_CATEGORY
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, InputSpec
from orchestrator.networks.embeddings import PERIODIC, PIECEWISE, PeriodicEmbedding, PiecewiseLinearEmbedding
from orchestrator.networks.repeated_numbers import RepeatedNumbers
from orchestrator.networks.scaling import SCALINGS
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
            InputSpec(NUMERIC, "float32", (numeric,)),
            InputSpec(CATEGORICAL, "int64", (len(cardinalities),), cardinalities),
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


class NumericInput(nn.Module):
    """The input `numeric`, scaled, and each number as one or as several.

    forward(numeric: float32 [batch, columns]) -> float32 [batch, width]
    """

    def __init__(
        self,
        columns: int,
        scaling: str = "standard",
        embedding: str = "none",
        *,
        width: int = PIECEWISE_WIDTH,
        bins: int = PIECEWISE_BINS,
        repeated: int = 0,
    ) -> None:
        """Args:
        columns: of the input.
        scaling: a name in `SCALINGS`.
        embedding: none, periodic or piecewise.
        width, bins: of the piecewise-linear embedding.
        repeated: numbers of each column that are categories, too; see `RepeatedNumbers`.
        """
        super().__init__()
        kind = SCALINGS[scaling]
        self.scaling = None if kind is None or not columns else kind(columns)
        self.embedding: PeriodicEmbedding | PiecewiseLinearEmbedding | None = None
        if columns and embedding == PERIODIC:
            self.embedding = PeriodicEmbedding(columns)
        elif columns and embedding == PIECEWISE:
            self.embedding = PiecewiseLinearEmbedding(columns, width, bins)
        # of what one number becomes
        self.each = 1 if self.embedding is None else self.embedding.width
        self.repeated = RepeatedNumbers(columns, repeated) if columns and repeated else None
        if self.repeated is not None:
            self.each += self.repeated.width
        self.width = columns * self.each

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Fits what is to be fitted on training rows."""
        numeric = inputs[NUMERIC]
        if self.repeated is not None:
            self.repeated.fit(numeric)
        if self.scaling is not None:
            self.scaling.fit(numeric)
            numeric = self.scaling(numeric)
        if isinstance(self.embedding, PiecewiseLinearEmbedding):
            self.embedding.fit(numeric)

    def forward(self, numeric: Tensor) -> Tensor:
        """See the class."""
        scaled = numeric if self.scaling is None else self.scaling(numeric)
        if self.embedding is None and self.repeated is None:
            return scaled
        embedded: Tensor = scaled.unsqueeze(2) if self.embedding is None else self.embedding(scaled)
        if self.repeated is not None:
            embedded = torch.cat([embedded, self.repeated(numeric)], dim=2)
        return embedded.flatten(1)


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
        self.numbers = None if plain else NumericInput(shape.numeric, scaling, numeric_embedding, repeated=repeated)
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
