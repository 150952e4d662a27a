"""What a trial is: plain JSON, enough to run it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import ConfigError, did_you_mean
from orchestrator.networks.settings import TRAINING
from orchestrator.training.class_weights import NONE, plain_class_weights

OPTIMIZERS = ("sgd", "sgd_momentum", "adam", "adamw")
SCHEDULES = ("constant", "cosine", "coslog4")
REGULARIZATION_SCHEDULES = ("constant", "flat_cosine")
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """Everything that decides the outcome of a trial, besides the data.

    Attributes:
        architecture: name of a network family, or `package.module:Class`.
        settings: of the architecture.
        metric: validation metric by which the best epoch is chosen.
        optimizer: sgd, sgd_momentum, adam or adamw.
        learning_rate: highest learning rate.
        weight_decay: as the optimizer defines it (L2 for sgd and adam, decoupled for adamw).
        momentum: of sgd_momentum.
        batch_size: rows per step, those of all workers together.
        epochs: at most this many passes over the training rows.
        patience: epochs without improvement after which training stops; 0 for never.
        warmup_epochs: epochs (fractions too) of linear warm-up.
        schedule: constant, cosine (to zero at the last epoch) or coslog4 (four cosine cycles, each twice as long as
            the one before, Holzmüller et al. 2024), after the warm-up.
        regularization_schedule: of dropout and weight decay: constant, or flat_cosine (from the middle of training on
            along a cosine to zero).
        beta2: of adam and adamw, how slowly their mean of squared gradients changes.
        label_smoothing: share of a label that is spread over all classes, in the training loss only.
        class_weights: what a row of each class counts in the training loss: none (all the same), balanced (all classes
            the same together), or a number for each, as a text (good=1,bad=5) or a mapping.
        weight_average: decay per step of a moving average of the weights, which then takes their place in validation
            and in the model; 0 for none.
        gradient_clip: largest norm of the gradient; 0 for no clipping.
        precision: of training: fp32, or autocast to bf16 or fp16 (with a scaled loss); validation is always fp32.
        accumulation: parts in which a batch is computed one after another, to save memory.
        compile: whether the network is compiled by `torch.compile` for training.
        seed: of the initial weights, the order of rows and dropout.
    """

    architecture: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "log_loss"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    batch_size: int = 256
    epochs: int = 30
    patience: int = 0
    warmup_epochs: float = 0.0
    schedule: str = "constant"
    regularization_schedule: str = "constant"
    beta2: float = 0.999
    label_smoothing: float = 0.0
    class_weights: str = NONE
    weight_average: float = 0.0
    gradient_clip: float = 0.0
    precision: str = "fp32"
    accumulation: int = 1
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_weights", plain_class_weights(self.class_weights))
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("regularization_schedule", self.regularization_schedule, REGULARIZATION_SCHEDULES)
        _check_choice("precision", self.precision, PRECISIONS)
        if not isinstance(self.compile, bool):
            raise ConfigError(f"compile must be true or false, but is {self.compile!r}")
        for name, low in (("batch_size", 1), ("accumulation", 1), ("epochs", 1), ("patience", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"{name} must be a whole number of at least {low}, but is {value!r}")
        for name in ("learning_rate", "weight_decay", "momentum", "warmup_epochs", "gradient_clip"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ConfigError(f"{name} must be a number of at least 0, but is {value!r}")
        for name in ("beta2", "label_smoothing", "weight_average"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ConfigError(f"{name} must be a number from 0 to less than 1, but is {value!r}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`; of entries in `LATER` only those that are not as there."""
        content = vars(self) | {"settings": dict(self.settings)}
        return {name: value for name, value in content.items() if LATER.get(name, ...) != value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TrialSpec:
        """Rebuilds a spec.

        Raises:
            ConfigError: unknown or invalid entries.
        """
        known = {item.name for item in dataclasses.fields(cls)}
        for name in content:
            if name not in known:
                raise ConfigError(f"a trial has no entry '{name}'")
        return cls(**content)

    @property
    def parameters(self) -> dict[str, Any]:
        """All entries flat, the architecture's settings among them, as they are logged and shown."""
        flat = self.to_json()
        settings = flat.pop("settings")
        return flat | {name if name not in flat else f"settings.{name}": value for name, value in settings.items()}


# a family whose paper smooths labels where accuracy is what counts, and how much
SMOOTHED, SMOOTHING = "realmlp", 0.1
# entries that trials of before do not have, with the values that they had without them
LATER: Mapping[str, Any] = {
    "regularization_schedule": "constant",
    "beta2": 0.999,
    "label_smoothing": 0.0,
    "class_weights": NONE,
    "weight_average": 0.0,
}
SHARED_PARAMETERS = frozenset(
    item.name
    for item in dataclasses.fields(TrialSpec)
    if item.name not in ("architecture", "settings", "metric", "seed")
)


def spec_from_parameters(parameters: Mapping[str, Any], metric: str, seed: int) -> TrialSpec:
    """A spec from flat parameters; those that are not a trial's own go to the architecture as settings.

    Entries that are left out are those with which the paper of the architecture trains it, see `TRAINING`.

    Raises:
        ConfigError: an invalid value, or no architecture.
    """
    own = {name: value for name, value in parameters.items() if name in SHARED_PARAMETERS}
    settings = {
        name: value for name, value in parameters.items() if name not in SHARED_PARAMETERS and name != "architecture"
    }
    architecture = parameters["architecture"]
    usual = dict(TRAINING.get(architecture, {}))
    if architecture == SMOOTHED and metric == "accuracy":
        # it helps to be right, and spoils the probabilities (Holzmüller et al. 2024, appendix B.5)
        usual["label_smoothing"] = SMOOTHING
    own = usual | own
    return TrialSpec(architecture=architecture, settings=settings, metric=metric, seed=seed, **own)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise ConfigError(f"{name} '{value}' is not known (known: {', '.join(known)}){hint}")
