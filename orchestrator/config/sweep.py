"""What a sweep is."""

from __future__ import annotations

import operator
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from orchestrator.choices import (
    AlgorithmName,
    AutoName,
    EqualRowsName,
    PrecisionName,
    PresetName,
    SchedulerName,
    TargetTransformName,
)
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.target_wish import TargetWish
from orchestrator.config.resources import ResourceConfig
from orchestrator.errors import UsageError
from orchestrator.fields import (
    AveragedField,
    ColumnNamesField,
    ColumnsField,
    CsvField,
    Duration,
    EnsembleField,
    FewRowsField,
    FoldsField,
    LabelField,
    Latency,
    Name,
    PathField,
    Size,
    SweepsField,
    TaskField,
)
from orchestrator.naming import made_name, stem_of
from orchestrator.validated import Validated

DEFAULT_TRIALS = 20
# of so many best trials an ensemble is made, unless the user says of how many
CANDIDATES = 25


class SweepConfig(Validated):
    """A sweep.

    Attributes:
        data: `sklearn:NAME` or the path of a CSV, Parquet or JSON file, or of a folder of them.
        target: column to predict.
        name: of the sweep and of the registered model; made from the data's name if left out.
        task: instead of what is inferred; its name, or its name as `kind` with options of its own.
        categorical, ignore: columns to read as categories, and to leave out.
        ignore_text: whether columns of free text are left out, unless one is wished for.
        columns: what else is wished of columns, by name; see `ColumnWish`.
        csv: how a CSV file is written, instead of what is found out; see `CsvWish`.
        group, time, split_column, validation, test, weight, equal_rows, folds: how rows are split and weighed; see
            `RowsWish`.
        clip_predictions: whether predicted numbers stay between the smallest and the largest target of training rows.
        rare_categories, target_statistics, date_differences: which inputs are made of columns; see `FeaturesWish`.
        target_transform: what networks learn of a target of numbers: `none` the target itself, `log1p` its logarithm,
            `quantile` its rank as the quantile of a normal distribution, `auto` what suits it.
        background: whether 100 training rows stay with the model, which explanations compare others with.
        space: name or path of a search space.
        architecture: search this one only; `package.module:Class` for a network of the user's.
        algorithm: how configurations are chosen.
        scheduler: which trials are stopped early, paused and promoted.
        warm_start: earlier sweeps; the settings of their best trials are tried first, as far as the space has them.
        preset: how much is tried: quick (about a minute), good (10 minutes and 40 trials at most; the default unless
            trials or time_budget is given) or best (an hour, or the time budget).
        trials: how many; as the preset says if left out, or as the time budget allows, or the whole grid.
        time_budget: of the search and its end (test, bundle, registration), from the start of the first trial, which in
            any case comes to the end of its first epoch.
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
        ensemble: the winner is an ensemble of some of so many best trials if that is better than the best one alone;
            `auto` for the best 25, `none` for never.
        references: whether the winner is compared with models of scikit-learn, in a tenth of the time at most.
        cost_per_cpu_hour, cost_per_gpu_hour: of a core, and a GPU, in any currency: the sweep says what trials cost.
        max_latency, max_size: a model that takes longer to answer a row, or whose network has more bytes, does not win,
            measured on the exported network as an endpoint does.
        tracking_uri: MLflow store.
        tracking_timeout: how long the end of a sweep waits for a store that is away.
        address: of a Ray cluster; a local one is started if left out.
        storage: folder, `s3://...` or `gs://...` in which sweeps have their folders (checkpoints, weights and a record
            of what happened); shared by all nodes of a cluster.
        keep_package: whether the current folder is copied there, to go on without it.
        register_model: whether the winner is registered.
        allow_second_best: whether the sweep counts as a success, and its winner may become the champion, although there
            is a better trial whose weights are missing or damaged.
    """

    data: str
    target: LabelField | None = None
    name: Name | None = None
    task: TaskField | None = None
    categorical: ColumnNamesField = ()
    ignore: ColumnNamesField = ()
    ignore_text: bool = Field(default=False, exclude_if=operator.not_)
    columns: ColumnsField
    csv: CsvField
    group: LabelField | None = None
    time: LabelField | None = None
    split_column: LabelField | None = None
    validation: PathField | None = None
    test: PathField | None = None
    weight: LabelField | None = None
    equal_rows: EqualRowsName = "auto"
    folds: FoldsField | None = None
    clip_predictions: bool = True
    rare_categories: FewRowsField = "auto"
    target_statistics: AveragedField = ()
    date_differences: AutoName = "auto"
    target_transform: TargetTransformName = "auto"
    background: bool = Field(default=True, exclude_if=bool)
    space: str = "tabular"
    architecture: str | None = None
    algorithm: AlgorithmName = "tpe"
    scheduler: SchedulerName = "portfolio"
    warm_start: SweepsField
    preset: PresetName | None = None
    trials: int | None = Field(default=None, ge=1)
    time_budget: Duration | None = None
    epochs: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=0)
    precision: PrecisionName | None = None
    accumulation: int | None = Field(default=None, ge=1)
    compile: bool | None = None
    metric: str | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)
    resources: ResourceConfig = ResourceConfig()
    concurrency: int | None = Field(default=None, ge=1)
    priority: int = Field(default=0, exclude_if=operator.not_)
    share: float = Field(default=1.0, gt=0, le=1000, exclude_if=lambda share: share == 1.0)
    max_cores: int | None = Field(default=None, ge=1)
    max_gpus: float | None = Field(default=None, gt=0)
    queue: Name | None = None
    placement_timeout: Duration = timedelta(minutes=10)
    max_failures: int = Field(default=2, ge=0)
    failed_share: float = Field(default=0.8, gt=0, le=1)
    epoch_timeout: Duration | None = None
    disk_budget: Size | None = None
    keep_top: int = Field(default=1, ge=1)
    ensemble: EnsembleField = "auto"
    references: bool = Field(default=True, exclude_if=bool)
    max_latency: Latency | None = None
    max_size: Size | None = None
    cost_per_cpu_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cost_per_gpu_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tracking_uri: str | None = None
    tracking_timeout: Duration = timedelta(minutes=1)
    address: str | None = None
    storage: Annotated[str, BeforeValidator(str)] | None = None
    keep_package: bool = False
    register_model: bool = True
    allow_second_best: bool = False

    @property
    def rows(self) -> RowsWish:
        """What is said about rows."""
        return RowsWish.from_json({item.name: getattr(self, item.name) for item in fields(RowsWish)})

    @property
    def target_wish(self) -> TargetWish:
        """What is said about a target of numbers."""
        return TargetWish(**{item.name: getattr(self, item.name) for item in fields(TargetWish)})

    @property
    def features(self) -> FeaturesWish:
        """What is said about the inputs that are made of columns."""
        return FeaturesWish.from_json({item.name: getattr(self, item.name) for item in fields(FeaturesWish)})

    @model_validator(mode="after")
    def _consistent_rows(self) -> Self:
        try:
            self.rows.check()
            self.features.check()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def candidates(self) -> int:
        """Of how many best trials an ensemble is made; 0 for none."""
        if isinstance(self.ensemble, int):
            return self.ensemble
        return CANDIDATES if self.ensemble == "auto" else 0

    @property
    def kept_trials(self) -> int:
        """Of how many best trials the weights stay, as long as they are small enough."""
        return max(self.keep_top, self.candidates, CANDIDATES if self.has_bounds else 0)

    @property
    def has_bounds(self) -> bool:
        """Whether it is limited what the model may cost."""
        return self.max_latency is not None or self.max_size is not None

    @property
    def own_limits(self) -> dict[str, float]:
        """What all its trials may have together, by kind; kinds without a limit are left out."""
        limits = {"CPU": self.max_cores, "GPU": self.max_gpus}
        return {kind: float(most) for kind, most in limits.items() if most is not None}

    @property
    def sweep_name(self) -> str:
        """Its own name or its data's."""
        if self.name:
            return self.name
        return made_name(stem_of(self.data))
