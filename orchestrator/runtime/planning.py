"""A sweep's plan, its networks tried: what is wrong with them shows before anything is started."""

from __future__ import annotations

from orchestrator.config import SweepConfig
from orchestrator.data import Dataset, Run, Table
from orchestrator.lazy import import_before_torch
from orchestrator.networks import is_custom
from orchestrator.search import SearchSpace, SpecSampler, located
from orchestrator.sweeps.plan import SweepPlan, make_plan
from orchestrator.tasks import Metric
from orchestrator.training import SHARED_PARAMETERS

# so many configurations are looked at to see which settings a network reads
EXAMPLES = 20


def plan_sweep(
    config: SweepConfig, table: Table | None = None, run: Run = map, space: SearchSpace | None = None
) -> SweepPlan:
    """`make_plan`, with the user's own networks tried; see there."""
    return make_plan(config, table, run, space, try_networks=try_custom_networks)


def try_custom_networks(config: SweepConfig, space: SearchSpace, dataset: Dataset, metric: Metric) -> None:
    """Builds the user's own networks: a mistake in them or in their settings shows before anything is started."""
    if not any(map(is_custom, space.architectures)):
        # torch need not be there yet
        return
    import_before_torch()
    from orchestrator.networks import never_read, settings_asked_for
    from orchestrator.training import feature_shape

    shape = feature_shape(dataset)
    # what built-in networks share in a space, a user's own one need not read
    theirs = config.architecture is None and all(map(is_custom, space.architectures))
    shared = set(space.parameters) - SHARED_PARAMETERS if theirs else set()
    everywhere: set[str] = set()
    for architecture in filter(is_custom, space.architectures):
        own = set(space.architectures[architecture]) - SHARED_PARAMETERS
        sampler = SpecSampler(space.only(architecture), metric.name, config.seed, {})
        examples = [spec.settings for spec in sampler.examples((), EXAMPLES)]
        asked = settings_asked_for(architecture, shape, examples, own | shared)
        everywhere |= asked
        for name in own - asked:
            if any(name in settings for settings in examples):
                place = ("architectures", architecture, name)
                raise located(config.space, place, never_read(architecture, name, asked))
    for name in shared - everywhere:
        sentence = never_read(" and ".join(space.architectures), name, everywhere | SHARED_PARAMETERS)
        raise located(config.space, ("parameters", name), sentence)
