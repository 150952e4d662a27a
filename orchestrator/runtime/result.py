"""What a sweep ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.bundle.registration import Registration
from orchestrator.columns.notes import Note
from orchestrator.sweeps.ensembles import Ensemble
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.tasks import Metric

if TYPE_CHECKING:
    from orchestrator.bundle import ModelBundle


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep ends with.

    Attributes:
        id: by which `resume` and `sync` know it.
        name: of the sweep and the registered model.
        run_id: of the parent run in MLflow.
        metric: what was optimised.
        trials: all of them, by index.
        best: record of the best trial; it is the winner, or in the ensemble that is.
        validation: the winner's figure on the validation rows.
        ensemble: what was found of an ensemble, whether it is the winner or not; None without one.
        bounded: sentences about better trials that cost more than `max_latency` or `max_size`.
        test: the winner's metrics on the test rows.
        notes: what was guessed about the data.
        bundle: the winner's model.
        skipped: sentences about better trials whose models cannot be used.
        accepted: whether none was skipped, or `allow_second_best` was given.
        test_looks: how often models were measured on these test rows, as far as MLflow knows; this time included.
        registration: what was registered, None if it was not wanted or not possible.
        unsent: why MLflow does not have all of it; None if it has.
        interrupted: whether the user stopped it.
        seconds: wall time, from reading the data to the end.
        search_seconds: of these, from the start of Tune to its end.
        slots: trials at once.
    """

    id: str
    name: str
    run_id: str
    metric: Metric
    trials: tuple[TrialRecord, ...]
    best: TrialRecord
    validation: float
    ensemble: Ensemble | None
    bounded: tuple[str, ...]
    test: Mapping[str, float]
    notes: tuple[Note, ...]
    bundle: ModelBundle
    skipped: tuple[str, ...]
    accepted: bool
    test_looks: int
    registration: Registration | None
    unsent: str | None
    interrupted: bool
    seconds: float
    search_seconds: float
    slots: int
