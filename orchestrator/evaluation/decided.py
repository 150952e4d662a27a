"""What is decided about a finished network on the validation rows: how sure it is, and where its label changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from orchestrator.data import Dataset
from orchestrator.evaluation.answers import Answers
from orchestrator.networks import Scaled
from orchestrator.tasks import LabelThreshold, Metric, TargetEncoder, Temperature

AVERAGED = "each network of the folds is too sure, which their average mends"


@dataclass(frozen=True, kw_only=True)
class DecidedModel:
    """A network as it will answer.

    Attributes:
        dataset: that it was trained on.
        network: with its temperature.
        encoder: of the target, with its threshold.
        value: of the metric on validation rows, as far as possible by what was decided on other ones.
        validation: what it says about the validation rows.
        temperature, threshold: what was decided; None where nothing is to be.
    """

    dataset: Dataset
    network: nn.Module
    encoder: TargetEncoder
    value: float
    validation: Answers
    temperature: Temperature | None
    threshold: LabelThreshold | None

    def about(self, tested: Answers) -> Mapping[str, Mapping[str, Any]]:
        """What was decided, by name as plain JSON, and what it brings on the test rows."""
        task, found = self.dataset.schema.target.task, {}
        if self.temperature is not None:
            found["temperature"] = self.temperature.to_json()
            if self.temperature.is_used:
                by = self.temperature.by
                for name, outputs in (
                    ("test", tested.outputs),
                    ("test_default", self.temperature.without(tested.outputs)),
                ):
                    shares = task.shares(self.encoder, outputs)
                    found["temperature"][name] = task.score(by, self.encoder, shares, tested.target, tested.weight)
        if self.threshold is not None:
            figures = task.figures_of(self.threshold, tested.outputs, tested.target, tested.weight)
            found["threshold"] = self.threshold.to_json() | figures
        return found


def decide(network: nn.Module, dataset: Dataset, metric: Metric, validation: Answers, value: float) -> DecidedModel:
    """Decides about a network.

    Args:
        network: with its best weights.
        dataset: that it was trained on.
        metric: that is optimised.
        validation: what it says about the validation rows.
        value: of the metric there.
    """
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    temperature = task.calibrate(validation.outputs, validation.target, validation.weight)
    if temperature is not None and dataset.folds and temperature.value > 1:
        # the average of networks is less sure than each of them, and these rows were answered by one each
        temperature = temperature.left_out(AVERAGED, validation.outputs)
    if temperature is not None and temperature.is_used:
        network = Scaled(network, temperature.factor, [spec.name for spec in dataset.encoder.inputs])
        if task.follows_temperature(metric.name):
            crossed = (temperature.outputs, validation.target, validation.weight)
            value = task.measure(metric.name, encoder, *crossed)[metric.name]
        validation = replace(validation, outputs=temperature.applied(validation.outputs))
    threshold = task.decide(metric.name, validation.outputs, validation.target, validation.weight)
    if threshold is not None:
        encoder = replace(encoder, threshold=threshold.threshold)
        value = value if threshold.validation is None else threshold.validation
    return DecidedModel(
        dataset=dataset,
        network=network,
        encoder=encoder,
        value=value,
        validation=validation,
        temperature=temperature,
        threshold=threshold,
    )
