"""RealMLP of Holzmüller, Grinsztajn & Steinwart 2024, "Better by Default" (arXiv 2407.04491), as "RealMLP-TD"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orchestrator.inputs import CATEGORICAL, NUMERIC
from orchestrator.networks.embeddings import PeriodicEmbedding
from orchestrator.networks.groups import ParameterGroup
from orchestrator.networks.inputs import CategoryInput, FeatureShape, NumericInput
from orchestrator.networks.layers import Dropout
from orchestrator.networks.scaling import RobustScaling
from orchestrator.networks.settings import RealMlpSettings

# where numbers are predicted all learning rates are so many times as high: 0.2 instead of 0.04
REGRESSION_FACTOR = 5.0
BIAS_FACTOR = ACTIVATION_FACTOR = 0.1
# more rows tell no more of how far the first outputs of a layer spread
INITIAL_ROWS = 4096
BIAS_ROWS = 5
FUNCTIONS = {"selu": F.selu, "mish": F.mish, "relu": F.relu, "silu": F.silu}


class NtkLinear(nn.Module):
    """A linear layer in neural tangent parametrisation: `x W^T / sqrt(inputs) + b`, W from a normal distribution.

    forward(float32 [batch, inputs]) -> float32 [batch, outputs]
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._scale = 1 / math.sqrt(max(1, inputs))

    def fit(self, inputs: Tensor) -> None:
        """Makes outputs have deviation 1, and puts their zeros where rows are ("he+5"); float32 [rows, inputs]."""
        outputs = F.linear(inputs, self.weight) * self._scale
        spread = outputs.std(dim=0, correction=0)
        factor = torch.where(spread > 0, 1 / spread.clamp_min(1e-30), torch.ones_like(spread))
        self.weight.mul_(factor[:, None])
        outputs = outputs * factor
        chosen = torch.randint(len(inputs), (BIAS_ROWS, outputs.shape[1]))
        shares = torch.empty(chosen.shape).exponential_()
        shares = (shares / shares.sum(dim=0)).to(outputs.device)
        self.bias.copy_(-(outputs.gather(0, chosen.to(outputs.device)) * shares).sum(dim=0))

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        return F.linear(inputs, self.weight * self._scale, self.bias)


class ParametricActivation(nn.Module):
    """(1 - a) x + a f(x), with an `a` for each unit that starts at 1."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(width))
        self._function = FUNCTIONS[name]

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 [batch, width] -> float32 [batch, width]."""
        return torch.lerp(inputs, self._function(inputs), self.share.to(inputs.dtype))


class RealMlp(nn.Module):
    """forward(numeric, categorical) -> float32 [batch, outputs]."""

    def __init__(self, shape: FeatureShape, settings: RealMlpSettings) -> None:
        super().__init__()
        self._factor = 1.0 if shape.classes else REGRESSION_FACTOR
        self._settings = settings
        embedding = partial(
            PeriodicEmbedding, width=settings.numeric_width, frequencies=settings.frequencies, spread=settings.spread
        )
        embeds = settings.numeric_width > 1
        self.numbers = NumericInput(shape, "robust", embedding if embeds else None, settings.repeated_numbers)
        self.categories = CategoryInput(shape.cardinalities, settings.one_hot_limit, settings.category_width)
        for weight in self.categories.embeddings.parameters():
            nn.init.normal_(weight)
            weight.data[0].zero_()
        self.one_hot_scaling = RobustScaling(self.categories.one_hot_width)
        width = self.numbers.width + self.categories.one_hot_width + sum(self.categories.embedded_widths)
        self.input_factor = nn.Parameter(torch.ones(width))
        activation = settings.activation
        if activation == "auto":
            activation = "selu" if shape.classes else "mish"
        widths = [width, *([settings.width] * settings.depth)]
        self.linear = nn.ModuleList(NtkLinear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.activations = nn.ModuleList(ParametricActivation(activation, outputs) for outputs in widths[1:])
        self.dropout = Dropout(settings.dropout)
        # of two classes the authors compute a logit each: here their difference is what the task wants
        self._differ = shape.classes > 0 and shape.outputs == 1
        self.output = NtkLinear(settings.width, 2 if self._differ else shape.outputs)

    def group_of(self, name: str) -> ParameterGroup:
        """How a parameter is trained, see `orchestrator.training.optimization.parameter_groups`."""
        settings = self._settings
        decays = not name.endswith("bias")
        if name == "input_factor":
            factor = settings.scaling_factor
        elif name.startswith("numbers.embedding."):
            factor = settings.embedding_factor
        elif name.endswith("bias"):
            factor = BIAS_FACTOR
        elif name.startswith("activations."):
            factor = ACTIVATION_FACTOR
        elif name == "linear.0.weight":
            factor = settings.first_layer_factor
        else:
            factor = 1.0
        return ParameterGroup(factor * self._factor, decays)

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Fits one layer after another on training rows."""
        self.one_hot_scaling.fit(self.categories(inputs[CATEGORICAL])[0])
        rows = {name: values[:INITIAL_ROWS] for name, values in inputs.items()}
        was_training = self.training
        self.eval()
        hidden = self._joined(rows[NUMERIC], rows[CATEGORICAL])
        for linear, activation in zip(self.linear, self.activations, strict=True):
            if isinstance(linear, NtkLinear):
                linear.fit(hidden)
            hidden = activation(linear(hidden))
        self.output.fit(hidden)
        self.train(was_training)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the class."""
        hidden = self._joined(numeric, categorical)
        for linear, activation in zip(self.linear, self.activations, strict=True):
            hidden = self.dropout(activation(linear(hidden)))
        outputs: Tensor = self.output(hidden)
        return outputs[:, 1:] - outputs[:, :1] if self._differ else outputs

    def _joined(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        one_hot, embedded = self.categories(categorical)
        parts = [self.numbers(numeric), self.one_hot_scaling(one_hot), embedded]
        return torch.cat(parts, dim=1) * self.input_factor
