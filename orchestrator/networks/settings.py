"""The settings of the built-in network families, and their checks. Imports no torch: mistakes are said at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ArchitectureError, did_you_mean

ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid")
NORMALIZATIONS = ("none", "batch", "layer")
NUMERIC_EMBEDDINGS = ("none", "periodic", "piecewise")
SCALINGS = ("standard", "robust", "quantile")
MOST_REPEATED = 1024
# whose weights are, among others, embeddings and targets of training rows
KEEPS_ROWS = frozenset({"modern_nca"})
# for which a text is an input as the others: a token, or what rows are near by; to the outputs of others those of texts
# are added
EMBED_TEXTS = frozenset({"ft_transformer", "modern_nca"})
PARAMETRIC_ACTIVATIONS = ("selu", "mish", "relu", "silu")


def check_range(setting: str, value: float, low: float, high: float) -> None:
    """Raises ArchitectureError unless low <= value <= high."""
    if not low <= value <= high:
        raise ArchitectureError(f"{setting} is {value:g}, but must be from {low:g} to {high:g}")


def check_choice(setting: str, value: str, known: Iterable[str]) -> None:
    """Raises ArchitectureError unless the value is one of those that are known."""
    if value not in known:
        raise ArchitectureError(
            f"{setting} '{value}' is not known (known: {', '.join(known)}){did_you_mean(value, known)}"
        )


@dataclass(frozen=True, kw_only=True)
class MlpSettings:
    """Settings of the multilayer perceptron.

    Attributes:
        depth: hidden layers, 0 (a linear model) to 64.
        width: units of each hidden layer.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: share of hidden units dropped in training.
        normalization: none, batch or layer; before each activation.
        scaling: of numbers, before anything else: standard (as the encoder gives them), robust (by their quartiles,
            clipped smoothly) or quantile (by rank, to a normal distribution).
        numeric_embedding: none, periodic (cosines of each number) or piecewise (linear between its quantiles).
        repeated_numbers: so many of the most frequent numbers of each numeric column are categories, too; 0 for none.
    """

    depth: int = 2
    width: int = 128
    activation: str = "relu"
    dropout: float = 0.0
    normalization: str = "none"
    scaling: str = "standard"
    numeric_embedding: str = "none"
    repeated_numbers: int = 0

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, SCALINGS)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_choice("numeric_embedding", self.numeric_embedding, NUMERIC_EMBEDDINGS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("depth", self.depth, 0, 64)
        check_range("width", self.width, 1, 65536)
        check_range("dropout", self.dropout, 0.0, 0.99)


@dataclass(frozen=True, kw_only=True)
class ResnetSettings:
    """Settings of the tabular ResNet.

    Attributes:
        depth: residual blocks.
        width: width of the residual stream.
        hidden_factor: a block's inner width as a multiple of `width`.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: dropout inside a block, after the activation.
        residual_dropout: dropout of what a block adds.
        normalization: none, batch (as in the paper) or layer.
        scaling, numeric_embedding, repeated_numbers: see `MlpSettings`.
    """

    depth: int = 2
    width: int = 128
    hidden_factor: float = 2.0
    activation: str = "relu"
    dropout: float = 0.0
    residual_dropout: float = 0.0
    normalization: str = "batch"
    scaling: str = "standard"
    numeric_embedding: str = "none"
    repeated_numbers: int = 0

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, SCALINGS)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_choice("numeric_embedding", self.numeric_embedding, NUMERIC_EMBEDDINGS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("depth", self.depth, 1, 64)
        check_range("width", self.width, 1, 65536)
        check_range("hidden_factor", self.hidden_factor, 0.01, 64.0)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("residual_dropout", self.residual_dropout, 0.0, 0.99)


@dataclass(frozen=True, kw_only=True)
class RealMlpSettings:
    """Settings of RealMLP (Holzmüller et al. 2024); the defaults are those of its authors, "RealMLP-TD".

    Attributes:
        depth: hidden layers.
        width: units of each hidden layer.
        activation: auto (selu for classes, mish for numbers), selu, mish, relu or silu; each unit learns how much.
        dropout: share of hidden units dropped in training.
        numeric_width: numbers that the periodic embedding makes of one; 1 for no embedding.
        frequencies: of the cosines of that embedding.
        spread: standard deviation of its first frequencies.
        one_hot_limit: categories of a column that are one-hot; a column with more has an embedding.
        category_width: of that embedding.
        repeated_numbers: see `MlpSettings`.
        scaling_factor: of the learning rate, for the factor of each input.
        embedding_factor: of the learning rate, for the embedding of numbers.
        first_layer_factor: of the learning rate, for the weights of the first layer.
    """

    depth: int = 3
    width: int = 256
    activation: str = "auto"
    dropout: float = 0.15
    numeric_width: int = 4
    frequencies: int = 16
    spread: float = 0.1
    one_hot_limit: int = 8
    category_width: int = 8
    repeated_numbers: int = 0
    scaling_factor: float = 6.0
    embedding_factor: float = 0.1
    first_layer_factor: float = 1.0

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ("auto", *PARAMETRIC_ACTIVATIONS))
        check_range("depth", self.depth, 1, 64)
        check_range("width", self.width, 1, 65536)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("numeric_width", self.numeric_width, 1, 1024)
        check_range("frequencies", self.frequencies, 1, 1024)
        check_range("spread", self.spread, 0.0, 1000.0)
        check_range("one_hot_limit", self.one_hot_limit, 0, 1000)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_range("category_width", self.category_width, 1, 1024)
        for name in ("scaling_factor", "embedding_factor", "first_layer_factor"):
            check_range(name, getattr(self, name), 0.0, 1000.0)


@dataclass(frozen=True, kw_only=True)
class TabmSettings:
    """Settings of TabM (Gorishniy et al. 2025): members that share their weights, but for factors, and are averaged.

    Attributes:
        members: of the ensemble.
        depth: hidden layers.
        width: units of each hidden layer.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: share of hidden units dropped in training.
        numeric_embedding: none, periodic or piecewise.
        numeric_width: numbers that a piecewise-linear embedding makes of one.
        bins: of a piecewise-linear embedding, at most.
        scaling: of numbers: standard, robust or quantile.
        one_hot_limit: categories of a column that are one-hot; a column with more has an embedding.
        repeated_numbers: see `MlpSettings`.
    """

    members: int = 16
    depth: int = 2
    width: int = 256
    activation: str = "relu"
    dropout: float = 0.1
    numeric_embedding: str = "piecewise"
    numeric_width: int = 16
    bins: int = 48
    scaling: str = "quantile"
    one_hot_limit: int = 32
    repeated_numbers: int = 0

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("scaling", self.scaling, SCALINGS)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_choice("numeric_embedding", self.numeric_embedding, NUMERIC_EMBEDDINGS)
        check_range("members", self.members, 1, 1024)
        check_range("depth", self.depth, 1, 64)
        check_range("width", self.width, 1, 65536)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("numeric_width", self.numeric_width, 1, 1024)
        check_range("bins", self.bins, 2, 1024)
        check_range("one_hot_limit", self.one_hot_limit, 0, 1000)


@dataclass(frozen=True, kw_only=True)
class FtTransformerSettings:
    """Settings of the FT-Transformer (Gorishniy et al. 2021): a token for each column, and attention between them.

    Attributes:
        depth: blocks.
        width: of a token; a multiple of `heads`.
        heads: of the attention.
        attention_dropout: share of the attention dropped in training.
        dropout: share of the hidden units of a block dropped in training.
        residual_dropout: dropout of what a block adds.
        hidden_factor: a block's inner width as a multiple of `width`.
        scaling: of numbers: standard, robust or quantile.
        repeated_numbers: see `MlpSettings`.
    """

    depth: int = 3
    width: int = 192
    heads: int = 8
    attention_dropout: float = 0.2
    dropout: float = 0.1
    residual_dropout: float = 0.0
    hidden_factor: float = 4 / 3
    scaling: str = "quantile"
    repeated_numbers: int = 0

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, SCALINGS)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_range("depth", self.depth, 1, 64)
        check_range("heads", self.heads, 1, 256)
        check_range("width", self.width, 1, 65536)
        if self.width % self.heads:
            raise ArchitectureError(f"width is {self.width}, but must be a multiple of heads, {self.heads}")
        for name in ("attention_dropout", "dropout", "residual_dropout"):
            check_range(name, getattr(self, name), 0.0, 0.99)
        check_range("hidden_factor", self.hidden_factor, 0.01, 64.0)


@dataclass(frozen=True, kw_only=True)
class ModernNcaSettings:
    """Settings of ModernNCA (Ye et al. 2024): near training rows answer, near by a learned embedding.

    Attributes:
        depth: hidden layers of the embedding after its first, linear one.
        width: of the embedding.
        hidden_factor: a layer's inner width as a multiple of `width`.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: share of hidden units dropped in training.
        normalization: batch (as in the paper), layer or none.
        scaling, numeric_embedding, repeated_numbers: see `MlpSettings`.
        candidates: training rows that may answer, drawn if there are more.
        sampled: of these, how many a step of training draws at most.
    """

    depth: int = 1
    width: int = 128
    hidden_factor: float = 1.0
    activation: str = "relu"
    dropout: float = 0.2
    normalization: str = "batch"
    scaling: str = "quantile"
    numeric_embedding: str = "periodic"
    repeated_numbers: int = 0
    candidates: int = 4096
    sampled: int = 2048

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, SCALINGS)
        check_range("repeated_numbers", self.repeated_numbers, 0, MOST_REPEATED)
        check_choice("numeric_embedding", self.numeric_embedding, NUMERIC_EMBEDDINGS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("depth", self.depth, 0, 64)
        check_range("width", self.width, 1, 65536)
        check_range("hidden_factor", self.hidden_factor, 0.01, 64.0)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("candidates", self.candidates, 16, 1_000_000)
        check_range("sampled", self.sampled, 16, 1_000_000)


ARCHITECTURES: dict[str, type[Any]] = {
    "mlp": MlpSettings,
    "resnet": ResnetSettings,
    "realmlp": RealMlpSettings,
    "tabm": TabmSettings,
    "tabm_mini": TabmSettings,
    "ft_transformer": FtTransformerSettings,
    "modern_nca": ModernNcaSettings,
}


# how the families of papers are trained there, in entries of a trial; what a user or a space says comes before
TRAINING: dict[str, Mapping[str, Any]] = {
    "realmlp": {
        "optimizer": "adamw",
        "beta2": 0.95,
        "learning_rate": 0.04,
        "weight_decay": 0.02,
        "schedule": "coslog4",
        "regularization_schedule": "flat_cosine",
    },
    "tabm": {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 0.0003, "gradient_clip": 1.0},
    "tabm_mini": {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 0.0003, "gradient_clip": 1.0},
    "ft_transformer": {"optimizer": "adamw", "learning_rate": 1e-4, "weight_decay": 1e-5},
    "modern_nca": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.0002},
}


def is_custom(architecture: str) -> bool:
    """Whether the name has the form `package.module:Class`, a network of the user's."""
    return ":" in architecture


def setting_names(architecture: str) -> list[str]:
    """The settings of a built-in family; none of a user's own network, which are not known."""
    known = ARCHITECTURES.get(architecture)
    return [] if known is None else [field.name for field in dataclasses.fields(known)]


def known_architecture(architecture: str) -> type[Any]:
    """The settings of the built-in family of that name.

    Raises:
        ArchitectureError: unknown name.
    """
    if architecture not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture '{architecture}' is not known (known: {', '.join(ARCHITECTURES)}, or package.module:Class)"
            f"{did_you_mean(architecture, ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture]


def parse_settings(architecture: str, settings: Mapping[str, object], others: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """The settings object of a built-in family.

    Args:
        architecture: its name.
        settings: by name; what is left out has its default.
        others: names that may have been meant instead of one that is not known.

    Raises:
        ArchitectureError: unknown setting or a value of the wrong type or out of range.
    """
    settings_class = known_architecture(architecture)
    fields = {field.name: field.default for field in dataclasses.fields(settings_class)}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            hint = did_you_mean(name, (*fields, *others)) or f" (known: {', '.join(fields)})"
            raise ArchitectureError(f"{architecture} has no setting '{name}'{hint}")
        values[name] = _coerce(architecture, name, value, type(fields[name]))
    return settings_class(**values)


def _coerce(architecture: str, name: str, value: object, wanted: type[object]) -> object:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        raise ArchitectureError(f"{architecture}: {name} must be of type {wanted.__name__}, but is {value!r}")
    return value
