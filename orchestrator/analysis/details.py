"""One trial of a sweep with all that its folder knows of it."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass

from orchestrator.analysis.history import SweepHistory, TrialHistory, read_history
from orchestrator.columns.rows_wish import FRAME
from orchestrator.errors import NoSuchTrialError, StorageError
from orchestrator.sweeps.finalize import Outcome
from orchestrator.sweeps.trial_files import trial_folder

SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a trial: where it is, and its bytes."""

    address: str
    size: int


@dataclass(frozen=True, kw_only=True)
class TrialDetails:
    """A trial.

    Attributes:
        history: of its sweep.
        trial: itself.
        rank: 1 for the best of the trials that have a value, None if it has none.
        ranked: how many have one.
        folds: networks that were trained, one for each part of the rows that validates; 1 for a single split.
        files: checkpoints and weights that are kept.
        weight: its share of the ensemble that won, None if it is not in one.
        won: whether the sweep's model is this trial's network alone.
        command: what trains it again; None if nothing does.
        no_command: why not, as a sentence.
    """

    history: SweepHistory
    trial: TrialHistory
    rank: int | None
    ranked: int
    folds: int
    files: tuple[StoredFile, ...]
    weight: float | None
    won: bool
    command: str | None
    no_command: str


def find_details(selector: str) -> TrialDetails:
    """A trial that this machine knows.

    Args:
        selector: `SWEEP:INDEX`, where `SWEEP` is as in `find_sweep`, or only `INDEX` for the last sweep.

    Raises:
        NoSuchTrialError, NoSuchSweepError: there is no such trial.
        StorageError: the journal is damaged.
    """
    sweep, _, number = selector.rpartition(":")
    if not (number.isascii() and number.isdecimal()):
        raise NoSuchTrialError(f"'{selector}' names no trial; give SWEEP:INDEX, such as adult:3, or INDEX for the last")
    history = read_history(sweep or None)
    trial = history.trial(int(number))
    if trial is None:
        known = [str(other.index) for other in history.trials]
        listed = ", ".join(known[:SHOWN]) + (f", ... {known[-1]}" if len(known) > SHOWN else "")
        raise NoSuchTrialError(
            f"the sweep {history.id} has no trial {number} (it has {listed or 'none yet'}); "
            f"`orchestrator trials {history.id}` lists them"
        )
    return details_of(history, trial)


def details_of(history: SweepHistory, trial: TrialHistory) -> TrialDetails:
    """All that is known of a trial."""
    with_value = [index for index in history.ranking if _has_value(history, index)]
    weight, won = _part_in_model(history, trial.index)
    command, no_command = _again(history, trial)
    folds = str(history.header.config.get("folds") or "1")
    return TrialDetails(
        history=history,
        trial=trial,
        rank=with_value.index(trial.index) + 1 if trial.index in with_value else None,
        ranked=len(with_value),
        folds=int(folds) if folds.isdecimal() else 1,
        files=_files(history, trial.index),
        weight=weight,
        won=won,
        command=command,
        no_command=no_command,
    )


def _has_value(history: SweepHistory, index: int) -> bool:
    trial = history.trial(index)
    return trial is not None and trial.record.value is not None


def _files(history: SweepHistory, index: int) -> tuple[StoredFile, ...]:
    folder = trial_folder(history.storage, index)
    try:
        return tuple(StoredFile(address=f"{folder}/{name}", size=folder.size(name)) for name in folder.names())
    except StorageError:
        return ()


def _part_in_model(history: SweepHistory, index: int) -> tuple[float | None, bool]:
    """Its weight in the ensemble that won, and whether it has won alone."""
    with contextlib.suppress(StorageError):
        outcome = Outcome.read(history.storage)
        if outcome is not None and outcome.current:
            if outcome.ensemble is None or not outcome.ensemble["accepted"]:
                return None, outcome.best == index
            members = {member["trial"]: float(member["weight"]) for member in outcome.ensemble["members"]}
            return members.get(index), False
    return None, False


def _again(history: SweepHistory, trial: TrialHistory) -> tuple[str | None, str]:
    """The command that trains a trial once more, or why there is none."""
    header = history.header
    if trial.took_over:
        return None, "it took over the weights of another trial (population based training), so it cannot run alone"
    if header.run_id is None:
        return None, f"MLflow has no run of it; send it with: orchestrator sync {header.id}"
    if FRAME in (header.config.get("data"), header.config.get("validation"), header.config.get("test")):
        call = f'orchestrator.reproduce("{header.id}:{trial.index}", data=frame)'
        return None, f"its data was a data frame; train it again from Python: {call}"
    return f"orchestrator train --from-trial {shlex.quote(f'{header.id}:{trial.index}')}", ""
