"""A sweep's plan, its networks tried: what is wrong with them shows before anything is started."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.history import read_history
from orchestrator.config import SweepConfig
from orchestrator.data import Dataset, Run, Table
from orchestrator.errors import ConfigError, NoSuchSweepError
from orchestrator.lazy import import_before_torch
from orchestrator.networks import is_custom
from orchestrator.search import SearchSpace, SpecSampler, find_searcher, located
from orchestrator.search.warm_start import EarlierSweep
from orchestrator.storage import Storage
from orchestrator.sweeps.plan import SweepPlan, make_plan
from orchestrator.tasks import Metric
from orchestrator.training import SHARED_PARAMETERS

# so many configurations are looked at to see which settings a network reads
EXAMPLES = 20


def plan_sweep(
    config: SweepConfig,
    table: Table | None = None,
    run: Run = map,
    space: SearchSpace | None = None,
    earlier: Sequence[EarlierSweep] = (),
) -> SweepPlan:
    """`make_plan`, with the user's own networks tried; see there."""
    return make_plan(config, table, run, space, earlier=earlier, try_networks=try_custom_networks)


def earlier_sweeps(config: SweepConfig) -> tuple[SweepConfig, tuple[EarlierSweep, ...]]:
    """The sweeps that a new one starts from, with its options that name them by their ids from now on.

    They are looked for on this machine, and then in the storage of the new sweep.

    Raises:
        ConfigError: the algorithm tries everything in an order of its own.
        NoSuchSweepError: nobody knows one of them.
        StorageError: its journal is damaged.
    """
    if config.warm_start and find_searcher(config.algorithm).tries_all:
        raise ConfigError(
            f"--warm-start does not go with --algorithm {config.algorithm}, which tries everything in its own order"
        )
    found = []
    for selector in config.warm_start:
        try:
            history = read_history(selector)
        except NoSuchSweepError:
            if config.storage is None:
                raise
            history = read_history(selector, Storage.at(config.storage))
        records = {trial.index: trial.record for trial in history.trials if trial.record.value is not None}
        ranked = [records[index] for index in history.ranking if index in records]
        found.append(
            EarlierSweep(history.id, tuple((record.index, record.best_spec or record.spec) for record in ranked))
        )
    ids = tuple(sweep.id for sweep in found)
    return config.model_copy(update={"warm_start": ids}), tuple(found)


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
