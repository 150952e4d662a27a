"""ModernNCA of Ye, Yin & Zhan 2024, "Revisiting Nearest Neighbor for Tabular Data" (arXiv 2407.03257)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT
from orchestrator.networks.inputs import FeatureInput, FeatureShape
from orchestrator.networks.layers import Dropout, activation, dropped, needs_bias, normalization
from orchestrator.networks.settings import ModernNcaSettings

# rows that are embedded at once
CHUNK = 8192
# added to a squared distance, whose root has no slope at 0
SMOOTHING = 1e-4
# the smallest share of a class that has a logarithm
MIN_SHARE = 1e-6
# of rows whose marks differ by less all inputs are the same
SAME = 1e-9


class EmbeddingBlock(nn.Module):
    """A hidden layer of the embedding.

    forward(float32 [rows, width], whether they are candidates) -> float32 [rows, width]
    """

    def __init__(self, width: int, settings: ModernNcaSettings) -> None:
        super().__init__()
        hidden = max(1, round(width * settings.hidden_factor))
        self.normalization = nn.Sequential(*normalization(settings.normalization, width))
        self.before = nn.Sequential(nn.Linear(width, hidden), activation(settings.activation))
        self.dropout = Dropout(settings.dropout)
        # what all rows have does not change their distances
        self.after = nn.Linear(hidden, width, bias=False)

    def forward(self, rows: Tensor, *, candidates: bool) -> Tensor:
        """See the class."""
        # candidates are the same at each of several workers, which share a batch: see `share_layers`
        hidden = self.before(self._normalized(rows) if candidates else self.normalization(rows))
        if not candidates:
            hidden = self.dropout(hidden)
        elif self.training:
            hidden = dropped(hidden, self.dropout.p)
        found: Tensor = self.after(hidden)
        return found

    def _normalized(self, rows: Tensor) -> Tensor:
        for layer in self.normalization:
            if isinstance(layer, _BatchNorm):
                mean, variance = layer.running_mean, layer.running_var
                momentum = layer.momentum or 0.0
                rows = F.batch_norm(rows, mean, variance, layer.weight, layer.bias, self.training, momentum, layer.eps)
            else:
                rows = layer(rows)
        return rows


class ModernNca(nn.Module):
    """Answers with what near training rows have: a mean over these, weighted by softmax(-distance) of embeddings.

    A step of training draws some of the candidates; rows that are the same in all inputs say nothing about each other
    then. In evaluation mode all candidates count, embedded once when that mode begins: these embeddings and their
    targets are part of the network, so that it carries a trace of training rows, as each nearest-neighbour method does.

    forward(inputs of `FeatureInput`) -> float32 [batch, outputs]

    Attributes:
        keys: embeddings of the candidates, float32 [candidates, width].
        values: their targets, float32 [candidates, classes] with a 1, or [candidates, 1], standardised.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, shape: FeatureShape, settings: ModernNcaSettings) -> None:
        super().__init__()
        self._settings = settings
        self._classes = shape.classes
        self._outputs = shape.outputs
        self.inputs = FeatureInput(shape, settings.scaling, settings.numeric_embedding, settings.repeated_numbers)
        bias = settings.depth > 0 and needs_bias(settings.normalization)
        self.first = nn.Linear(self.inputs.width, settings.width, bias=bias)
        self.blocks = nn.ModuleList(EmbeddingBlock(settings.width, settings) for _ in range(settings.depth))
        # several outputs about one number, such as quantiles, lie around it
        self.offsets: nn.Linear | None = None
        if not shape.classes and shape.outputs > 1:
            self.offsets = nn.Linear(settings.width, shape.outputs)
        self.register_buffer("keys", torch.zeros(0, settings.width))
        self.register_buffer("values", torch.zeros(0, max(1, shape.classes)))
        # the candidates themselves, only where the network is trained
        self._rows: dict[str, Tensor] = {}
        self._marks = torch.zeros(0, dtype=torch.float64)

    def fit_rows(self, inputs: Mapping[str, Tensor], target: Tensor) -> None:
        """Takes candidates from training rows.

        Args:
            inputs: by name, on any device.
            target: labels (int64 [rows]) or standardised numbers (float32 [rows]).
        """
        device = self.first.weight.device
        chosen = torch.arange(len(target))
        if len(target) > self._settings.candidates:
            chosen = torch.randperm(len(target))[: self._settings.candidates].sort().values
        self._rows = {name: values[chosen].to(device) for name, values in inputs.items()}
        self._marks = _marks(self._rows.values())
        target = target[chosen].to(device)
        if self._classes:
            self.values = F.one_hot(target.long(), self._classes).float()
        else:
            self.values = target.float().unsqueeze(1)
        self.keys = self.values.new_zeros(len(chosen), self._settings.width)

    def train(self, mode: bool = True) -> Self:
        """In evaluation mode (`mode` is False) candidates are embedded with the weights as they are."""
        super().train(mode)
        if not mode and self._rows:
            with torch.no_grad():
                self.keys.copy_(self._embedded_rows())
        return self

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        queries = self._embed({NUMERIC: numeric, CATEGORICAL: categorical, TEXT: text}, candidates=False)
        if self.training and self._rows:
            chosen = torch.randperm(len(self.values))[: self._settings.sampled].to(self.values.device)
            rows = {name: values[chosen] for name, values in self._rows.items()}
            keys, values = self._embed(rows, candidates=True), self.values[chosen]
            marks = _marks(given for given in (numeric, categorical, text) if given is not None)
            same = (marks.unsqueeze(1) - self._marks[chosen]).abs() < SAME
            scores = (-_distances(queries.float(), keys.float())).masked_fill(same, -torch.inf)
            # a row that is the same as all candidates would have no answer
            scores = torch.where(same.all(dim=1, keepdim=True), torch.zeros_like(scores), scores)
        else:
            # of rows that are nearly the same, float32 would leave noise, another one in each engine
            values, scores = self.values, -_distances(queries.double(), self.keys.double()).float()
        return self._outputs_of(torch.softmax(scores, dim=1) @ values, queries)

    def _outputs_of(self, means: Tensor, queries: Tensor) -> Tensor:
        if not self._classes:
            return means if self.offsets is None else means + self.offsets(queries)
        logits = means.clamp_min(MIN_SHARE).log()
        return logits[:, 1:] - logits[:, :1] if self._outputs == 1 else logits

    def _embed(self, inputs: Mapping[str, Tensor | None], *, candidates: bool) -> Tensor:
        rows: Tensor = self.first(self.inputs(inputs[NUMERIC], inputs[CATEGORICAL], inputs.get(TEXT)))
        for block in self.blocks:
            rows = block(rows, candidates=candidates)
        return rows

    def _embedded_rows(self) -> Tensor:
        starts = range(0, len(self.values), CHUNK)
        parts = ({name: rows[start : start + CHUNK] for name, rows in self._rows.items()} for start in starts)
        return torch.cat([self._embed(part, candidates=True) for part in parts])

    def _apply(self, fn: Any, recurse: bool = True) -> Self:  # noqa: ANN401
        """Moves the candidates, too, which are no buffers: they are not part of the trained network."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = self.first.weight.device
        self._rows = {name: values.to(device) for name, values in self._rows.items()}
        self._marks = self._marks.to(device)
        return self

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *more: Any) -> None:  # noqa: ANN401
        """A network has as many candidates as the state that it takes over."""
        for name in ("keys", "values"):
            known, found = getattr(self, name), state_dict.get(prefix + name)
            if found is not None and found.shape != known.shape:
                setattr(self, name, known.new_zeros(found.shape))
        super()._load_from_state_dict(state_dict, prefix, *more)


def _distances(queries: Tensor, keys: Tensor) -> Tensor:
    """Euclidean: [queries, keys], of the type of both."""
    squares = (queries * queries).sum(dim=1, keepdim=True) + (keys * keys).sum(dim=1) - 2 * queries @ keys.T
    return (squares.clamp_min(0) + SMOOTHING).sqrt()


def _marks(inputs: Iterable[Tensor]) -> Tensor:
    """A number for each row, the same for rows that are the same: float64 [rows]."""
    marks: list[Tensor] = []
    for number, values in enumerate(inputs, start=1):
        places = torch.arange(1, values.shape[1] + 1, dtype=torch.float64, device=values.device)
        marks.append((values.detach().double() * torch.cos(number + 0.7 * places)).sum(dim=1))
    return torch.stack(marks).sum(dim=0)
