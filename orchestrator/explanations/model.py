"""The model that is explained: from encoded rows to the numbers that an explanation is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import Background, FeatureEncoder, Schema
from orchestrator.errors import UsageError, did_you_mean
from orchestrator.inputs import Inputs
from orchestrator.tasks import Predictions, TargetEncoder

# what is explained of probabilities
PROBABILITY, LOG_ODDS = "probability", "log-odds"
VALUE = "value"
# a probability of 0 in float64 has no logarithm
LEAST = np.finfo(np.float64).tiny


Network = Callable[[Inputs], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class ExplainedModel:
    """A model as explanations see it.

    Attributes:
        schema: of its rows.
        encoder: of its columns.
        target_encoder: of its target.
        network: inputs -> float32 [rows, outputs]; the one that answers predictions.
        each: asks it about several batches, in their order; `map`, or what computes some of them at the same time.
        background: some training rows; None if the model has none.
        metric: by which it was chosen; None if that is not known.
    """

    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    network: Network
    each: Callable[[Network, Iterable[Inputs]], Iterable[NDArray[np.float32]]] = map
    background: Background | None = None
    metric: str | None = None

    @cached_property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The original columns: of each the columns of the schema that it becomes, one but for lists and records."""
        sources = {name: each.column for each in self.schema.nested for name in each.names}
        found: dict[str, tuple[str, ...]] = {}
        for column in self.schema.columns:
            source = sources.get(column.name, column.name)
            found[source] = (*found.get(source, ()), column.name)
        return found

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers that are answered for a row, as `predict` calls them."""
        return tuple(
            name for column in self.schema.target.task.answers if not column.labels for name in column.flat_names
        )

    @property
    def has_probabilities(self) -> bool:
        """Whether these numbers are probabilities."""
        return any(column.bounds == (0, 1) for column in self.schema.target.task.answers)

    def predictions(self, inputs: Inputs) -> Predictions:
        """The answers to encoded rows, all of which are finite numbers.

        Raises:
            UnansweredError: one is not.
        """
        return self.answered(self.network(inputs))

    def answered(self, outputs: NDArray[np.float32]) -> Predictions:
        """The answers that outputs of the network stand for; the same as `predictions`."""
        found = self.schema.target.task.predictions(self.target_encoder, outputs)
        found.check_finite()
        return found

    def numbers(self, answers: Predictions, scale: str = PROBABILITY) -> NDArray[np.float64]:
        """The numbers among answers, float64 [rows, outputs]; with `LOG_ODDS` log(p / (1 - p)) of probabilities p."""
        found = np.hstack(
            [
                np.asarray(answers.values[column.name], np.float64).reshape(len(answers), -1)
                for column in answers.columns
                if not column.labels
            ]
        )
        return log_odds(found) if scale == LOG_ODDS else found

    def shown(self, answers: Predictions, output: str | None = None) -> NDArray[np.int64]:
        """Which of the outputs is shown of each row: the one that is asked for, or what the answer is about.

        That is the second of two classes, the predicted one of several, and else the first number.

        Args:
            answers: to the rows.
            output: its name, or the class whose probability it is.

        Returns:
            int64 [rows].

        Raises:
            UsageError: there is no such output.
        """
        labels = next((column for column in answers.columns if column.labels), None)
        if output is not None:
            classes = [] if labels is None else list(map(str, labels.labels))
            known = {**dict(zip(classes, range(len(classes)), strict=True)), **_numbered(self.outputs)}
            if output not in known:
                raise UsageError(
                    f"the model has no output or class '{output}'; there are: {', '.join(self.outputs)}"
                    f"{did_you_mean(output, known)}"
                )
            return np.full(len(answers), known[output])
        if labels is None:
            return np.zeros(len(answers), np.int64)
        if len(labels.labels) == 2:  # noqa: PLR2004
            return np.ones(len(answers), np.int64)
        places = {label: place for place, label in enumerate(labels.labels)}
        return np.array([places[label] for label in answers.values[labels.name]], np.int64)

    def scale_of(self, scale: str) -> str:
        """What the numbers are called: `probability`, `log-odds`, or `value` of a model that predicts numbers."""
        return scale if self.has_probabilities else VALUE

    def check_scale(self, scale: str) -> None:
        """Raises UsageError when log-odds are wanted of something else than probabilities."""
        if scale not in (PROBABILITY, LOG_ODDS):
            raise UsageError(f"the scale must be {PROBABILITY} or {LOG_ODDS}, but is '{scale}'")
        if scale == LOG_ODDS and not self.has_probabilities:
            raise UsageError("log-odds are of probabilities, and this model predicts numbers; leave them out")


def log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of each class, with 1 - p as the sum of the others: exact near 1, too.

    Args:
        probabilities: float64 [rows, classes], summing to 1.
    """
    others = probabilities.sum(axis=1, keepdims=True) - probabilities
    largest = probabilities.argmax(axis=1)
    without = probabilities.copy()
    rows = np.arange(len(probabilities))
    without[rows, largest] = 0.0
    others[rows, largest] = without.sum(axis=1)
    found: NDArray[np.float64] = np.log(np.maximum(probabilities, LEAST)) - np.log(np.maximum(others, LEAST))
    return found


def _numbered(names: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}
