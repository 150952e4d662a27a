"""From what a user asked for to what will be run: data, metric and search space put together, nothing started yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import warn
from orchestrator.columns.rows_wish import AUTO
from orchestrator.config import DEFAULT_TRIALS, SweepConfig
from orchestrator.data import (
    DataOptions,
    Dataset,
    Examples,
    Part,
    Run,
    Table,
    open_dataset,
)
from orchestrator.errors import ConfigError, DataError
from orchestrator.journal import Outlook
from orchestrator.search import DataSize, Searcher, SearchSpace, SpecSampler, find_scheduler, find_searcher, space_of
from orchestrator.search.parameters import CategoricalParameter
from orchestrator.search.warm_start import EarlierSweep, warm_started
from orchestrator.sweeps.bounds import Bounds
from orchestrator.sweeps.pace import fitted, fold_rows, row_milliseconds, text_tokens
from orchestrator.sweeps.slots import Slots
from orchestrator.tasks import Metric
from orchestrator.training.class_weights import check_class_weights
from orchestrator.units import format_duration

TryNetworks = Callable[[SweepConfig, SearchSpace, Dataset, Metric], None]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep before it starts.

    Attributes:
        config: what the user asked for.
        name: of the sweep and the registered model.
        dataset, metric: what is trained on, and what is optimised.
        sampler: draws trial specs.
        points: configurations to try first; all of them for a grid.
        trials: how many, None if only the time limits them.
        epochs: of a trial at most.
        workers: of a trial, by architecture.
        size: how many configurations there are, None for endless ones.
        started_from: sentences about the earlier trials that are tried first.
        tokens: of a row's texts, see `text_tokens`.
    """

    config: SweepConfig
    name: str
    dataset: Dataset
    metric: Metric
    sampler: SpecSampler
    points: tuple[Mapping[str, Any], ...]
    trials: int | None
    epochs: int
    workers: Mapping[str, int]
    size: int | None = None
    started_from: tuple[str, ...] = ()
    tokens: int = 0

    def paced(self, slots: Slots, notify: Callable[[str], None] = lambda _sentence: None) -> SweepPlan:
        """With as many epochs as the time budget has room for, see `fitted`, and what is quick tried first.

        How busy a machine will be is not known: the less it manages, the more must it have brought to an end. What the
        user has said stays, the epochs or what to start from.

        Args:
            slots: trials at once.
            notify: is told what is shortened, or left out.
        """
        config, space = self.config, self.sampler.space
        if config.time_budget is None or not self.may_be_paced:
            return self
        milliseconds = self.row_milliseconds
        pace = fitted(space, milliseconds, self.trained_rows, config.time_budget.total_seconds(), slots.count)
        for name in pace.left_out:
            space = space.without(name)
        said = [f"{' and '.join(pace.left_out)} would take too long"] if pace.left_out else []
        if pace.epochs < space.epochs:
            said.append(f"{pace.epochs} epochs instead of {space.epochs}, so that the first trials end in time")
        if said:
            notify(f"for a time budget of {format_duration(config.time_budget)}: {'; '.join(said)}")
        space = space.with_epochs(pace.epochs)
        if not self.started_from:
            space = space.quickest_first(milliseconds)
        sampler = replace(self.sampler, space=space)
        return replace(
            self,
            sampler=sampler,
            points=tuple(self.searcher.first_points(sampler)),
            epochs=pace.epochs,
            workers=workers_of(config, space),
            size=space_size(config, sampler),
        )

    @property
    def may_be_paced(self) -> bool:
        """Whether its epochs follow the time budget; how long an epoch takes is known of cores only."""
        config = self.config
        return config.time_budget is not None and config.epochs is None and config.resources.gpus_per_worker == 0

    @property
    def row_milliseconds(self) -> Mapping[str, float]:
        """See `row_milliseconds`."""
        encoder = self.dataset.encoder
        only_texts = not encoder.numeric_width and not encoder.categorical
        return row_milliseconds(self.sampler.space, self.dataset.counts[0], self.tokens, only_texts=only_texts)

    @property
    def networks(self) -> int:
        """How many networks a trial trains: one, or one for each fold."""
        return max(1, len(self.dataset.folds))

    @property
    def trained_rows(self) -> int:
        """Rows that an epoch of a trial trains on; each of the folds' networks learns what the others' hold."""
        return self.dataset.counts[0] * max(1, len(self.dataset.folds) - 1)

    def outlook(self, slots: Slots) -> Outlook:
        """What those who watch the sweep may expect of it, `slots` trials at once."""
        config, space = self.config, self.sampler.space
        scheduler = find_scheduler(config.scheduler)
        costs = [self.row_milliseconds.get(name, 0.0) for name in space.architectures]
        known = all(costs) and config.resources.gpus_per_worker == 0
        return Outlook(
            slots=slots.count,
            epochs=self.epochs,
            rungs=scheduler.create(self.epochs, space, config.seed).rungs,
            trial_epochs=scheduler.expected_epochs(self.epochs, space),
            epoch_seconds=self.trained_rows * float(np.mean(costs)) / 1000.0 if known else None,
            time_budget=None if config.time_budget is None else config.time_budget.total_seconds(),
        )

    @property
    def bounds(self) -> Bounds:
        """What the winner may cost."""
        return Bounds(self.config.max_latency, self.config.max_size)

    @property
    def searcher(self) -> Searcher:
        """The search algorithm."""
        return find_searcher(self.config.algorithm)

    @property
    def exhausts(self) -> str:
        """A sentence for the user if no configuration is left to try, empty otherwise."""
        if self.size is None or self.trials != self.size:
            return ""
        what = self.searcher.searches
        count = "1 configuration" if self.size == 1 else f"{self.size} configurations"
        return f"the {what} has {count}, and none is trained twice"

    @property
    def readers(self) -> int:
        """CPU cores that a trial has for reading its rows."""
        return readers_of(self.config, streamed=self.dataset.pieces is not None)

    @property
    def parameters(self) -> dict[str, Any]:
        """What is recorded of the plan."""
        config = self.config
        # addresses may hold passwords
        left_out = {"tracking_uri", "storage", "metric", "resources"}
        given = config.model_dump(mode="json", exclude_none=True, exclude=left_out)
        resources = config.resources.model_dump(mode="json")
        known = {} if self.may_be_paced else {"max_epochs": self.epochs}
        return given | resources | {"planned_trials": self.trials, **known}

    def announcement(self, slots: Slots, done: int) -> str:
        """One sentence about what is about to run, after so many trials of earlier sessions."""
        amount = "trials" if self.trials is None else "1 trial" if self.trials == 1 else f"{self.trials} trials"
        if self.config.time_budget is not None:
            amount += f" within {int(self.config.time_budget.total_seconds())} s"
        if done:
            amount += f", {done} of them done,"
        each = "1 thread" if slots.threads == 1 else f"{slots.threads} threads"
        sizes = sorted(set(self.workers.values()))
        if sizes != [1]:
            each = f"{' or '.join(map(str, sizes))} workers of {each}"
        text = (
            f"{amount} of at most {self.epochs} epochs, {slots.count} at a time with {each} each "
            f"({self.config.algorithm}, scheduler {self.config.scheduler})"
        )
        return f"{text}; {self.exhausts}" if self.exhausts else text


def make_plan(
    config: SweepConfig,
    table: Table | None = None,
    run: Run = map,
    space: SearchSpace | None = None,
    *,
    earlier: Sequence[EarlierSweep] = (),
    try_networks: TryNetworks,
) -> SweepPlan:
    """Reads the data and the search space, and checks that they go together.

    Args:
        config: what the user asked for.
        table: the data, instead of `config.data`.
        run: applies a function to the numbers of the pieces of a folder, see `DataOptions`.
        space: what to search, instead of `config.space`.
        earlier: sweeps whose best trials are tried first.
        try_networks: builds the user's own networks of a search space, before anything is started.

    Raises:
        UsageError, DataError: see `open_dataset`, `space_of` and `Task.find_metric`.
        ArchitectureError: a user's own network cannot be built.
    """
    if config.folds not in (None, "1") and find_scheduler(config.scheduler).copies_weights:
        raise ConfigError(
            f"--folds does not go with --scheduler {config.scheduler}, which copies weights; say another scheduler"
        )
    space = space or space_of(config)
    dataset = open_dataset(table or config.data, data_options(config, run))
    if config.folds == AUTO:
        # a sweep that goes on with another time budget has the same folds
        config = config.model_copy(update={"folds": str(max(1, len(dataset.folds)))})
    metric = dataset.schema.target.task.find_metric(config.metric)
    check_measured(dataset, metric)
    _check_class_weights(space, dataset)
    tokens = text_tokens(dataset)
    space = space.for_size(DataSize(dataset.counts[0], len(dataset.encoder.many_valued)))
    if tokens and space.text_epochs is not None:
        space = space.with_epochs(min(space.epochs, space.text_epochs))
    started = warm_started(space, earlier)
    space = started.space
    try_networks(config, space, dataset, metric)
    sampler = sampler_of(config, space, metric.name)
    size = space_size(config, sampler)
    points = find_searcher(config.algorithm).first_points(sampler)
    return SweepPlan(
        config=config,
        name=config.name or dataset.name,
        dataset=dataset,
        metric=metric,
        sampler=sampler,
        points=tuple(points),
        trials=_trials(config, size),
        epochs=config.epochs or space.epochs,
        workers=workers_of(config, space),
        size=size,
        started_from=started.sentences,
        tokens=tokens,
    )


def check_measured(dataset: Dataset, metric: Metric) -> None:
    """Raises DataError when the validation rows do not have the metric: every trial would fail.

    Of rows that have to be read the counts of the classes say so.
    """
    target, parts = dataset.schema.target, dataset.targets()
    if parts is None:
        return
    weight = None
    if dataset.pieces is None:
        weight = Examples.joined(list(dataset.rows(Part.VALIDATION))).weight
    task, encoder = target.task, dataset.target_encoder
    constant, validated = task.constant_outputs(parts[0]), parts[1]
    # each fold is measured by itself
    bounds = [fold.validation for fold in dataset.folds] or [(0, len(validated))]
    first = bounds[0][0]

    def is_measured(rows: NDArray[Any], counted: NDArray[np.float64] | None) -> bool:
        outputs = np.tile(constant, (len(rows), 1))
        return metric.name in task.measure(metric.name, encoder, outputs, rows, counted)

    pieces = [slice(start - first, stop - first) for start, stop in bounds]
    found = all(is_measured(validated[piece], None if weight is None else weight[piece]) for piece in pieces)
    # what is rarely asked for must not turn out to be missing in the end
    if not found or (metric.name in task.more_metrics and not is_measured(parts[2], None)):
        # with folds the first part has the rows of the second one, too
        parts = (parts[0], parts[2]) if dataset.folds else parts
        why = task.unmeasured_in(np.concatenate(parts), metric.name, encoder)
        raise DataError(
            f"{dataset.origin}: {metric.name} of '{target.name}' cannot be computed: {why}; "
            f"{task.remedy(metric.name)}, or say --metric {task.sure_metric}"
        )


def _check_class_weights(space: SearchSpace, dataset: Dataset) -> None:
    """Raises ConfigError when the target has not the classes of a search space: such trials would fail."""
    for parameters in (space.parameters, *space.architectures.values()):
        entry = parameters.get("class_weights")
        if isinstance(entry, CategoricalParameter):
            for choice in entry.choices:
                check_class_weights(str(choice), dataset.schema.target)
        elif entry is not None:
            check_class_weights(str(entry), dataset.schema.target)


def readers_of(config: SweepConfig, *, streamed: bool) -> int:
    """CPU cores that a trial has for reading its rows."""
    return config.resources.readers_per_trial if streamed else 0


def data_options(config: SweepConfig, run: Run = map) -> DataOptions:
    """How a sweep reads its data.

    Args:
        config: what the user asked for.
        run: see `DataOptions`.
    """
    return DataOptions(
        target=config.target,
        name=config.name,
        task=config.task,
        categorical=config.categorical,
        ignore=config.ignore,
        ignore_text=config.ignore_text,
        columns=config.columns,
        csv=config.csv,
        rows=config.rows,
        fold_rows=fold_rows(config.time_budget),
        target_wish=config.target_wish,
        features=config.features,
        background=config.background,
        run=run,
    )


def sampler_of(config: SweepConfig, space: SearchSpace, metric: str) -> SpecSampler:
    """What draws the trials of a sweep."""
    given = {name: getattr(config, name) for name in ("epochs", "patience", "precision", "accumulation", "compile")}
    return SpecSampler(space, metric, config.seed, {name: value for name, value in given.items() if value is not None})


def space_size(config: SweepConfig, sampler: SpecSampler) -> int | None:
    """How many configurations a sweep can try, None for endless ones."""
    return find_searcher(config.algorithm).size(sampler)


def workers_of(config: SweepConfig, space: SearchSpace) -> dict[str, int]:
    """How many workers a trial of each architecture has."""
    usual = config.resources.workers_per_trial
    return {name: space.workers_per_trial.get(name, usual) for name in space.architectures}


def describe(dataset: Dataset, metric: Metric, notify: Callable[[str], None]) -> None:
    """Says what was made of a data set, and warns of what was guessed about it."""
    target = dataset.schema.target
    kinds: dict[str, int] = {}
    for column in dataset.schema.columns:
        kinds[column.kind.value] = kinds.get(column.kind.value, 0) + 1
    columns = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    train, validation, test = dataset.counts
    rows = f"{train} training, {validation} validation and {test} test rows"
    if dataset.folds:
        rows = f"{train} rows in {len(dataset.folds)} folds, and {test} test rows"
    notify(f"{dataset.origin}: {rows}; columns: {columns}")
    notify(f"predicting '{target.name}' ({target.task.title}), optimising {metric.name}")
    warn(dataset.notes)


def _trials(config: SweepConfig, size: int | None) -> int | None:
    """How many trials there shall be; no more than there are configurations."""
    wanted = config.trials
    open_end = config.time_budget is not None and not find_scheduler(config.scheduler).wants_all
    if wanted is None and not find_searcher(config.algorithm).tries_all and not open_end:
        wanted = DEFAULT_TRIALS
    return min((count for count in (wanted, size) if count is not None), default=None)
