"""Sweeps, as the Python API has them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.api.silence import silent
from orchestrator.choices import (
    AlgorithmName,
    AutoName,
    EqualRowsName,
    PrecisionName,
    PresetName,
    SchedulerName,
    TargetTransformName,
    TaskName,
)

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.columns.csv_wish import CsvWish
    from orchestrator.columns.wish import ColumnWish
    from orchestrator.config import ResourceConfig, SweepConfig
    from orchestrator.data import Table
    from orchestrator.runtime.hooks import Hooks, Notify
    from orchestrator.runtime.probe.estimate import SweepEstimate
    from orchestrator.runtime.result import SweepResult


def sweep(
    data: str | Path | pd.DataFrame,
    *,
    target: Hashable = None,
    name: str | None = None,
    task: TaskName | Mapping[str, Any] | None = None,
    categorical: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    ignore_text: bool | None = None,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None = None,
    csv: CsvWish | Mapping[str, Any] | None = None,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    validation: str | Path | pd.DataFrame | None = None,
    test: str | Path | pd.DataFrame | None = None,
    weight: str | None = None,
    equal_rows: EqualRowsName | None = None,
    folds: int | str | None = None,
    clip_predictions: bool | None = None,
    rare_categories: int | str | None = None,
    target_statistics: str | Sequence[str] | None = None,
    date_differences: AutoName | None = None,
    target_transform: TargetTransformName | None = None,
    background: bool | None = None,
    space: str | None = None,
    architecture: str | None = None,
    algorithm: AlgorithmName | None = None,
    scheduler: SchedulerName | None = None,
    warm_start: str | Sequence[str] | None = None,
    preset: PresetName | None = None,
    trials: int | None = None,
    time_budget: timedelta | str | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    precision: PrecisionName | None = None,
    accumulation: int | None = None,
    compile: bool | None = None,
    metric: str | None = None,
    seed: int | None = None,
    resources: ResourceConfig | Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    priority: int | None = None,
    share: float | None = None,
    max_cores: int | None = None,
    max_gpus: float | None = None,
    queue: str | None = None,
    placement_timeout: timedelta | str | None = None,
    max_failures: int | None = None,
    failed_share: float | None = None,
    epoch_timeout: timedelta | str | None = None,
    disk_budget: int | str | None = None,
    keep_top: int | None = None,
    ensemble: Literal["auto", "none"] | int | None = None,
    references: bool | None = None,
    max_latency: timedelta | str | None = None,
    max_size: int | str | None = None,
    cost_per_cpu_hour: float | None = None,
    cost_per_gpu_hour: float | None = None,
    tracking_uri: str | None = None,
    tracking_timeout: timedelta | str | None = None,
    address: str | None = None,
    storage: str | Path | None = None,
    keep_package: bool | None = None,
    register_model: bool | None = None,
    allow_second_best: bool | None = None,
    hooks: Hooks | None = None,
) -> SweepResult:
    """Searches architectures and their settings for a data set, tracks all in MLflow and registers the winner.

    Args:
        data: `sklearn:NAME`, a CSV, Parquet or JSON file, a folder of them, or a data frame.
        target: column to predict, or its number if none is called so.
        name: of the sweep and of the registered model; made from the data's name if left out.
        task: instead of what is inferred; its name, or a mapping with its name as `kind` and its options.
        categorical, ignore: columns to read as categories, and to leave out; one or several.
        ignore_text: whether columns of free text are left out, unless one is wished for.
        columns: what else is wished of columns, by name: a `ColumnWish`, or its fields, such as
            `{"born": {"kind": "date", "date_format": "%d/%m/%Y"}, "country": {"values": ["NA"]}}`.
        csv: how a CSV file is written, instead of what is found out: a `CsvWish`, or its fields, such as
            `{"keep_lines": True, "header_line": 3, "delimiter": ";", "encoding": "cp1250"}`.
        group: column whose values are never in two parts of the rows.
        time: column that orders the rows: the latest are tested on, those before validated on.
        split_column: column that says `train`, `validation` or `test` of each row.
        validation, test: files with the rows of these parts, or data frames.
        weight: column with what each row counts in loss and metrics.
        equal_rows: `together` in one part, `apart`, each drawn by itself, or `auto`.
        folds: each trial trains so many networks on so many splits, and the model averages them; `auto` goes by rows.
        clip_predictions: whether predicted numbers stay between the smallest and the largest target of training rows.
        rare_categories: values of fewer training rows share a code; `auto` in columns of many values, `none` never.
        target_statistics: categories for which the mean of the target is an input; `auto` for those of many values.
        date_differences: days between two columns of dates as an input: `auto` where there are two to four, or `none`.
        target_transform: what networks learn of a target of numbers: `none` the target itself, `log1p` its logarithm,
            `quantile` its rank as the quantile of a normal distribution, `auto` what suits it.
        background: whether 100 training rows stay with the model, for explanations; False for private data.
        space: name or path of a search space.
        architecture: search this one only; `package.module:Class` for a network of the user's.
        algorithm: how configurations are chosen.
        scheduler: which trials are stopped early, paused and promoted.
        warm_start: earlier sweeps: the settings of their best trials are tried first, as far as the space has them.
        preset: how much is tried: quick (about a minute), good (10 minutes and 40 trials at most; the default unless
            trials or time_budget is given) or best (an hour, or the time budget).
        trials: how many; as the preset says if left out, or as the time budget allows, or the whole grid.
        time_budget: of search and end, from the start of the first trial, whose first epoch is ended in any case.
        epochs, patience: instead of the search space's.
        metric: what is optimised.
        precision, accumulation, compile: of every trial, instead of the search space's; see `TrialSpec`.
        seed: of the search and of all trials.
        resources: of one trial.
        concurrency: at most so many trials at once, besides what the cluster can hold.
        priority: sweeps with a higher one come first on a cluster that they share.
        share: its weight among sweeps of the same priority.
        max_cores, max_gpus: that all its trials may have together.
        queue: whose limit on a shared cluster counts for it; the user's name if left out.
        placement_timeout: how long nothing of the sweep may find a place before it gives up.
        max_failures: how often a trial whose process was lost is tried again, from its last checkpoint.
        failed_share: the sweep gives up when a larger part of its trials has failed (and at least 10 of them).
        epoch_timeout: after this time the process of an epoch is ended.
        disk_budget: bytes that all files of the sweep may have together while trials run.
        keep_top: of so many trials the weights stay in the sweep's folder.
        ensemble: of some of so many best trials, if better than the best one; `auto` for the best 25, `none` for never.
        references: whether the winner is compared with models of scikit-learn, in a tenth of the time at most.
        cost_per_cpu_hour, cost_per_gpu_hour: of a core, and a GPU, in any currency: the result says what trials cost.
        max_latency, max_size: of the model: for a row, and of its exported network, measured as an endpoint does.
        tracking_uri: MLflow store.
        tracking_timeout: how long the end of a sweep waits for a store that is away.
        address: of a Ray cluster; a local one is started if left out.
        storage: folder, `s3://...` or `gs://...` in which sweeps have their folders (checkpoints, weights and a record
            of what happened); shared by all nodes of a cluster.
        keep_package: whether the current folder is copied there, to go on without it.
        register_model: whether the winner is registered.
        allow_second_best: whether the sweep has succeeded, and its winner may be champion, though a better one is lost.
        hooks: what to listen to, or to replace; if left out, a notebook shows how the sweep stands.

    Returns:
        The winner's model, its figures, and all trials.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    given = dict(locals())
    from orchestrator.display.notebook import sweep_hooks
    from orchestrator.runtime.sweeps import run_sweep

    with sweep_hooks(given.pop("hooks")) as told:
        return run_sweep(*_configured(given), told)


def plan(
    data: str | Path | pd.DataFrame,
    *,
    target: Hashable = None,
    name: str | None = None,
    task: TaskName | Mapping[str, Any] | None = None,
    categorical: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    ignore_text: bool | None = None,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None = None,
    csv: CsvWish | Mapping[str, Any] | None = None,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    validation: str | Path | pd.DataFrame | None = None,
    test: str | Path | pd.DataFrame | None = None,
    weight: str | None = None,
    equal_rows: EqualRowsName | None = None,
    folds: int | str | None = None,
    clip_predictions: bool | None = None,
    rare_categories: int | str | None = None,
    target_statistics: str | Sequence[str] | None = None,
    date_differences: AutoName | None = None,
    target_transform: TargetTransformName | None = None,
    background: bool | None = None,
    space: str | None = None,
    architecture: str | None = None,
    algorithm: AlgorithmName | None = None,
    scheduler: SchedulerName | None = None,
    warm_start: str | Sequence[str] | None = None,
    preset: PresetName | None = None,
    trials: int | None = None,
    time_budget: timedelta | str | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    precision: PrecisionName | None = None,
    accumulation: int | None = None,
    compile: bool | None = None,
    metric: str | None = None,
    seed: int | None = None,
    resources: ResourceConfig | Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    priority: int | None = None,
    share: float | None = None,
    max_cores: int | None = None,
    max_gpus: float | None = None,
    queue: str | None = None,
    placement_timeout: timedelta | str | None = None,
    max_failures: int | None = None,
    failed_share: float | None = None,
    epoch_timeout: timedelta | str | None = None,
    disk_budget: int | str | None = None,
    keep_top: int | None = None,
    ensemble: Literal["auto", "none"] | int | None = None,
    references: bool | None = None,
    max_latency: timedelta | str | None = None,
    max_size: int | str | None = None,
    cost_per_cpu_hour: float | None = None,
    cost_per_gpu_hour: float | None = None,
    tracking_uri: str | None = None,
    tracking_timeout: timedelta | str | None = None,
    address: str | None = None,
    storage: str | Path | None = None,
    keep_package: bool | None = None,
    register_model: bool | None = None,
    allow_second_best: bool | None = None,
    notify: Notify | None = None,
) -> SweepEstimate:
    """What `sweep` with the same arguments would run, need and take; measured on probes of its networks.

    Args:
        data: see `sweep`, as all that is not named here.
        notify: called with sentences for the user.

    Raises:
        OrchestratorError: as `sweep`, if it cannot run.
    """
    given = dict(locals())
    from orchestrator.runtime.probe.estimate import estimate_sweep

    del given["notify"]
    return estimate_sweep(*_configured(given), notify=notify or silent)


def _configured(given: Mapping[str, Any]) -> tuple[SweepConfig, Table | None]:
    """The configuration of a sweep, and its data if that is not in a file."""
    from orchestrator.columns.rows_wish import FRAME
    from orchestrator.config import SweepConfig
    from orchestrator.data import Table, load_table
    from orchestrator.data.joining import without_frames
    from orchestrator.data.opening import with_frames
    from orchestrator.sweeps.plan import data_options

    data = given["data"]
    plain, frames = without_frames(given)
    if not isinstance(data, str | Path):
        config = SweepConfig.create(**{**plain, "data": FRAME})
        data = load_table(data, config.name, config.csv)
    else:
        config = SweepConfig.create(**{**plain, "data": str(data)})
    whole = with_frames(data, data_options(config), frames)
    return config, whole if isinstance(whole, Table) else None


def resume(
    sweep: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    storage: str | None = None,
    trials: str | int | None = None,
    tracking_uri: str | None = None,
    time_budget: timedelta | str | None = None,
    address: str | None = None,
    concurrency: int | None = None,
    priority: int | None = None,
    share: float | None = None,
    max_cores: int | None = None,
    max_gpus: float | None = None,
    queue: str | None = None,
    max_failures: int | None = None,
    failed_share: float | None = None,
    epoch_timeout: timedelta | str | None = None,
    placement_timeout: timedelta | str | None = None,
    tracking_timeout: timedelta | str | None = None,
    disk_budget: int | str | None = None,
    keep_top: int | None = None,
    cost_per_cpu_hour: float | None = None,
    cost_per_gpu_hour: float | None = None,
    register_model: bool | None = None,
    allow_second_best: bool | None = None,
    hooks: Hooks | None = None,
) -> SweepResult:
    """Goes on with a sweep: finished trials stay, the others go on from their last checkpoints.

    The search algorithm and the scheduler know all that happened; the MLflow runs are the same ones.

    Args:
        sweep: its id, its name (the latest of that name) or its MLflow run; None for the latest.
        data, validation, test: the data frames that it was started with, if it was.
        storage: where to look for it, if that is not known on this machine.
        trials: how many there shall be in all, or `+N` for so many more; the same as before if left out.
        tracking_uri: the store, if it has another address now.
        time_budget: of all sessions together.
        priority, share, max_cores, max_gpus, queue: see `sweep`; as before if left out.
        address, concurrency, max_failures, failed_share, epoch_timeout, placement_timeout, tracking_timeout,
            disk_budget, keep_top, cost_per_cpu_hour, cost_per_gpu_hour, register_model, allow_second_best: see `sweep`;
            as before if left out.
        hooks: what to listen to, or to replace; if left out, a notebook shows how the sweep stands.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    options = dict(locals())
    from orchestrator.display.notebook import sweep_hooks
    from orchestrator.runtime.resume import resume_sweep

    own = ("data", "validation", "test", "storage", "trials", "tracking_uri", "hooks")
    given = {name: options.pop(name) for name in own}
    del options["sweep"]
    with sweep_hooks(given.pop("hooks")) as told:
        return resume_sweep(sweep, **given, hooks=told, options=options)
