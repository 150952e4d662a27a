"""Optimizer, learning-rate schedule and precision of a trial."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from orchestrator.errors import ConfigError
from orchestrator.networks import ParameterGroup
from orchestrator.training.spec import OPTIMIZERS, TrialSpec
from orchestrator.training.state import GRAFTED, flatten_optimizer, unflatten_optimizer

# methods of an optimizer that torch keeps from being compiled
UNCOMPILED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")

# torch's default of how slowly Adam's mean of gradients changes
FIRST_BETA = 0.9
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Optimization:
    """What turns a loss into a step: gradients in the precision asked for, clipped, an optimizer and its schedule."""

    def __init__(self, spec: TrialSpec, network: nn.Module, steps_per_epoch: int, device: str) -> None:
        self._parameters = list(network.parameters())
        self._optimizer = build_optimizer(spec, parameter_groups(spec, network))
        self._schedule = build_schedule(spec, self._optimizer, steps_per_epoch)
        self._regularization = Regularization(spec, network, self._optimizer, spec.epochs * steps_per_epoch)
        self._steps_per_epoch = steps_per_epoch
        self._clip = spec.gradient_clip
        self._device_type = torch.device(device).type
        self._dtype = AUTOCAST.get(spec.precision)
        # gradients of fp16 underflow to zero unless the loss is scaled (Micikevicius et al. 2018)
        self._scaler = torch.amp.GradScaler(self._device_type) if spec.precision == "fp16" else None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same state."""
        tensors, values = flatten_optimizer(self._optimizer.state_dict())
        if self._schedule is not None:
            values["schedule"] = {"last_epoch": self._schedule.last_epoch, "last_lr": self._schedule.get_last_lr()}
        if self._scaler is not None:
            values["scaler"] = self._scaler.state_dict()
        return tensors, values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Takes over what `state` gave; of a grafted state (see `graft`) all but the learning rate."""
        if GRAFTED in values:
            self._restore_grafted(tensors, values)
            return
        self._optimizer.load_state_dict(unflatten_optimizer(self._optimizer.state_dict(), tensors, values))
        if self._schedule is not None:
            count = values["schedule"]["last_epoch"]
            kept = {"last_epoch": count, "_step_count": count + 1, "_last_lr": values["schedule"]["last_lr"]}
            self._schedule.load_state_dict({**self._schedule.state_dict(), **kept})
        if self._scaler is not None:
            self._scaler.load_state_dict(values["scaler"])

    def _restore_grafted(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        fresh = self._optimizer.state_dict()
        _, own = flatten_optimizer(fresh)
        self._optimizer.load_state_dict(unflatten_optimizer(fresh, tensors, {**values, "groups": own["groups"]}))
        if self._schedule is not None:
            count = values[GRAFTED] * self._steps_per_epoch
            rates = [
                base * factor(count)
                for base, factor in zip(self._schedule.base_lrs, self._schedule.lr_lambdas, strict=True)
            ]
            for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            kept = {"last_epoch": count, "_step_count": count + 1, "_last_lr": rates}
            self._schedule.load_state_dict({**self._schedule.state_dict(), **kept})
        if self._scaler is not None and "scaler" in values:
            self._scaler.load_state_dict(values["scaler"])

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """While it is open, networks compute in the precision of the trial."""
        if self._dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device_type, self._dtype)

    def clear(self) -> None:
        """Forgets the gradients of the step before, and gives dropout the share of the next one."""
        self._optimizer.zero_grad()
        if self._schedule is not None:
            self._regularization.set_dropout(self._schedule.last_epoch)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of a loss."""
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Changes the weights by the gradients that were added; fp16 gradients that overflowed are left out."""
        if self._schedule is not None:
            self._regularization.set_weight_decay(self._schedule.last_epoch)
        if self._scaler is not None and self._clip > 0:
            self._scaler.unscale_(self._optimizer)
        if self._clip > 0:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        if self._scaler is None:
            self._optimizer.step()
        else:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        if self._schedule is not None:
            self._schedule.step()


def parameter_groups(spec: TrialSpec, network: nn.Module) -> list[dict[str, Any]]:
    """The parameters of a network for its optimizer, in groups that are trained alike.

    A network may have a method `group_of(name)` that gives the `ParameterGroup` of the parameter of that name, as in
    `named_parameters`; without it there is one group.
    """
    group_of = getattr(network, "group_of", lambda _: ParameterGroup())
    groups: dict[ParameterGroup, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(group_of(name), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": spec.learning_rate * group.learning_rate_factor,
            "weight_decay": spec.weight_decay if group.decays else 0.0,
            # other optimizers than Adam's do not look at it
            **({} if group.epsilon is None else {"eps": group.epsilon / spec.batch_size}),
        }
        for group, parameters in groups.items()
    ]


class Regularization:
    """Takes dropout and weight decay back in the second half of training, if the spec says so.

    Half a cosine from the middle to zero, by steps: "flat_cos" of Holzmüller et al. 2024, section 3.3.
    """

    def __init__(self, spec: TrialSpec, network: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Args:
        spec: of the trial.
        network: whose dropout is changed.
        optimizer: whose weight decay is changed.
        steps: of the whole training.
        """
        self._changes, self._steps = spec.regularization_schedule != "constant", steps
        self._optimizer = optimizer
        self._decays = [group["weight_decay"] for group in optimizer.param_groups]
        self._dropouts = [(module, module.p) for module in network.modules() if isinstance(module, nn.Dropout)]

    def factor(self, step: int) -> float:
        """At a step, from 0."""
        return 1.0 if not self._changes else flat_cosine(step / max(1, self._steps))

    def set_dropout(self, step: int) -> None:
        """For a step, from 0."""
        if self._changes:
            for module, share in self._dropouts:
                module.p = share * self.factor(step)

    def set_weight_decay(self, step: int) -> None:
        """For a step, from 0."""
        if self._changes:
            for group, decay in zip(self._optimizer.param_groups, self._decays, strict=True):
                group["weight_decay"] = decay * self.factor(step)


def flat_cosine(progress: float) -> float:
    """1 up to the middle of training, then along half a cosine to 0."""
    return 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * min(1.0, progress) - 1)))


def coslog4(progress: float) -> float:
    """Four cosine cycles, each twice as long as the one before; 0 at 0, 1/15, 3/15, 7/15 and 1.

    Holzmüller et al. 2024, section 3.3.
    """
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * min(1.0, progress))))


def build_optimizer(
    spec: TrialSpec, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]]
) -> torch.optim.Optimizer:
    """The optimizer that the spec names, in torch's fused form."""
    options: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay, "fused": True}
    match spec.optimizer:
        case "sgd":
            return eager(torch.optim.SGD)(parameters, **options)
        case "sgd_momentum":
            return eager(torch.optim.SGD)(parameters, momentum=spec.momentum, **options)
        case "adam":
            return eager(torch.optim.Adam)(parameters, betas=(FIRST_BETA, spec.beta2), **options)
        case "adamw":
            return eager(torch.optim.AdamW)(parameters, betas=(FIRST_BETA, spec.beta2), **options)
    raise ConfigError(f"optimizer '{spec.optimizer}' is not known (known: {', '.join(OPTIMIZERS)})")


@cache
def eager(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same optimizer, but for its preparations for being compiled, which no trial needs: its network is, at most.

    For them torch (2.13) imports its compiler when the first optimizer is made: a second in each process.
    """
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in UNCOMPILED}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def build_schedule(spec: TrialSpec, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR | None:
    """Linear warm-up, then constant, cosine to zero (Loshchilov & Hutter 2017, without restarts) or `coslog4`.

    The schedule is stepped once per batch. None if nothing changes from step to step.
    """
    if spec.schedule == "constant" and spec.warmup_epochs == 0 and spec.regularization_schedule == "constant":
        return None
    warmup = spec.warmup_epochs * steps_per_epoch
    total = spec.epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if spec.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1.0, total - warmup))
        if spec.schedule == "coslog4":
            # a step earlier would have no learning rate at all
            return coslog4((step - warmup + 0.5) / max(1.0, total - warmup))
        return 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)
