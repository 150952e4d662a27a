"""What a sweep ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.bundle.registration import Registration
from orchestrator.columns.notes import Note
from orchestrator.sweeps.ensembles import Ensemble
from orchestrator.sweeps.spent import Spent
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.tasks import Metric

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.bundle import ModelBundle
    from orchestrator.explanations import ShapExplanation
    from orchestrator.reports import ReportPage


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep ends with.

    Attributes:
        id: by which `resume` and `sync` know it.
        name: of the sweep and the registered model.
        run_id: of the parent run in MLflow.
        metric: what was optimised.
        trials: all of them, by index; `leaderboard` has them as a data frame.
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
        seconds: in all, of all sessions, from reading the data to the end.
        search_seconds: of these, from the start of the first trial to the end of the last one.
        slots: trials at once.
        spent: CPU-hours and GPU-hours that trials have held in all sessions, and what they cost.
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
    spent: Spent

    @property
    def leaderboard(self) -> pd.DataFrame:
        """All trials as a data frame, the best first, with their settings and metrics; see `analysis.trials_frame`."""
        from orchestrator.analysis import read_history, trials_frame

        return trials_frame(read_history(self.id))

    @property
    def learning_curves(self) -> pd.DataFrame:
        """A row for each epoch of each trial; see `analysis.curves_frame`."""
        from orchestrator.analysis import curves_frame, read_history

        return curves_frame(read_history(self.id))

    def report(self) -> ReportPage:
        """What the sweep has found, in words and charts: a notebook shows it, and its `save` writes it.

        Raises:
            NoSuchSweepError: the sweep's folder was deleted.
        """
        from orchestrator.journal.folder import find_sweep
        from orchestrator.reports import ReportPage, make_report

        return ReportPage(make_report(find_sweep(self.id)))

    def explain(self, rows: pd.DataFrame | None = None) -> ShapExplanation:
        """Why the winner answers these rows as it does: SHAP values of their columns.

        Args:
            rows: with the columns of the data; training rows that the model keeps if left out. Other methods and
                options: `bundle.explain`.

        Raises:
            UsageError: the model keeps no rows to compare with.
            DataError: the rows lack a column, or a value does not fit its column.
        """
        return self.bundle.explain(rows)
