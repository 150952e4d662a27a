"""What population based training changes of a trial's settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from orchestrator.search.parameters import FloatParameter
from orchestrator.search.space import SearchSpace
from orchestrator.training import SHARED_PARAMETERS, TrialSpec

FACTORS = (0.8, 1.2)
# at the start of training only
FIXED = ("warmup_epochs",)


def explorer(space: SearchSpace) -> Callable[[TrialSpec, np.random.Generator], TrialSpec]:
    """A function that multiplies every real-valued setting by 0.8 or 1.2, within the bounds of the space.

    Jaderberg et al. 2017, "perturb". Whole numbers and choices stay: they decide the shape of the network or the length
    of an epoch, and weights would not fit.
    """

    def explore(spec: TrialSpec, random: np.random.Generator) -> TrialSpec:
        own: dict[str, float] = {}
        settings = dict(spec.settings)
        entries = space.entries(spec.architecture) if spec.architecture in space.architectures else {}
        for name, (_, entry) in entries.items():
            if not isinstance(entry, FloatParameter) or name in FIXED:
                continue
            value = getattr(spec, name) if name in SHARED_PARAMETERS else settings.get(name)
            if not isinstance(value, int | float):
                continue
            changed = min(max(value * FACTORS[int(random.integers(2))], entry.low), entry.high)
            if name in SHARED_PARAMETERS:
                own[name] = changed
            else:
                settings[name] = changed
        return dataclasses.replace(spec, settings=settings, **own)  # type: ignore[arg-type]

    return explore
