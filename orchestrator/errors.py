"""The exceptions that users of this package see: one base class, one sentence each.

A `UsageError` says that what was asked for cannot be: an option, a file, a column or a name is wrong; exit code 2.
All others say that something failed or did not answer although the call was right; exit code 1.
"""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """What may have been meant by a name that is none of those that are known, None when none is near."""
    lowered = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NEAREST?` to end a sentence about an unknown name, empty when none is near."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near}?"


class OrchestratorError(Exception):
    """Base of all errors raised on purpose. The message is one sentence that says what is wrong and how to fix it."""

    exit_code = 1


class UsageError(OrchestratorError):
    """An option, a name or a path that cannot be what the user meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration (option, YAML file, Python argument) that is not valid."""


class SearchSpaceError(UsageError):
    """A search space file that cannot be read; the message names file, line and key."""


class ArchitectureError(UsageError):
    """A network that cannot be built from its settings."""


class DataError(UsageError):
    """A data set that cannot be used; the message names file, column and row where there is one."""


class InvalidValueError(DataError):
    """One value that does not fit its column.

    Attributes:
        column: name of the column.
        row: zero-based position among the rows given, or None when the whole column is concerned.
    """

    def __init__(self, message: str, column: str, row: int | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.row = row

    def __reduce__(self) -> tuple[type["InvalidValueError"], tuple[str, str, int | None]]:
        return type(self), (str(self), self.column, self.row)


class InvalidInputError(UsageError, ValueError):
    """What was given to an estimator of scikit-learn cannot be used; a ValueError, as scikit-learn expects."""


class UnansweredError(DataError):
    """A row for which a network computes no number.

    Attributes:
        row: zero-based position among the rows given.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row + 1}: its numbers are too large for the model to compute an answer")
        self.row = row


class CellsError(DataError):
    """Cells that the format of a file cannot hold."""


class TrainingDivergedError(OrchestratorError):
    """The loss became infinite or not a number."""


class TrackingError(OrchestratorError):
    """The MLflow store cannot be used, or what was asked for is not in it."""


class NoSuchModelError(TrackingError, UsageError):
    """A name, a version or an alias that the registry does not have."""


class NoSuchTrialError(TrackingError, UsageError):
    """A trial that the MLflow store does not have."""


class LostRunError(TrackingError):
    """A run that the MLflow store had is not in it any more."""


class BundleError(UsageError):
    """A model bundle that is incomplete, damaged or not safe to load."""


class ExecutionError(OrchestratorError):
    """Ray could not be started or a sweep could not be run."""


class RayLostError(ExecutionError):
    """Ray's own processes are gone, and with them all that ran."""


class LostGpuError(ExecutionError):
    """A process can use its GPU no more: it has to end, and another one goes on."""


class StoppedError(ExecutionError):
    """The user has stopped a sweep before it had a model; it can go on."""


class NoSuchSweepError(ExecutionError, UsageError):
    """A sweep that nobody knows of."""


class NoSuchJobError(ExecutionError, UsageError):
    """A job that the job server does not have."""


class StorageError(OrchestratorError):
    """A file of a sweep could not be written, read or deleted."""


class NewerFormatError(StorageError):
    """A file of a sweep that another version of this program has written."""


class LostStorageError(StorageError):
    """The storage of a running sweep was deleted or replaced: what is written there is lost."""


class LostLockError(StorageError):
    """Another driver has taken over the sweep while this one was not heard of."""


class UnreachableStorageError(StorageError):
    """A trial could not look at what it has left in the storage; that may work later."""


class DiskBudgetError(StorageError):
    """A file of a trial is larger than what the sweep may use of the disk."""


class ServingError(OrchestratorError):
    """A model could not be deployed, or a deployment could not be found."""


class InvalidRequestError(ServingError):
    """A request that cannot be answered.

    Attributes:
        row: zero-based position of the row, or None.
        column: name of the column, or None.
    """

    def __init__(self, message: str, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row, self.column = row, column


class TooManyRowsError(InvalidRequestError):
    """A request with more rows than are answered at once."""


class NoSuchEndpointError(ServingError, UsageError):
    """An endpoint that was not deployed from this machine."""


class GateError(ServingError):
    """A version of a model that does not pass what it has to before it takes traffic."""


class BreakingChangeError(GateError):
    """A version that needs other requests than the one that is served, or gives other answers."""
