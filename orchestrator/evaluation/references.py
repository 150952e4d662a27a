"""Reference models beside the winner of a sweep: fitted on its training rows, measured on its test rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import Dataset, Examples, Part
from orchestrator.evaluation.intervals import bootstrap_interval
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.kept_files import read_kept
from orchestrator.evaluation.reference_models import (
    Deadline,
    FittedModel,
    OutOfTimeError,
    fit_boosted_trees,
    fit_constant,
    fit_linear,
    training_rows,
)
from orchestrator.journal.sealed import seal, unseal
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import REFERENCES_FILE
from orchestrator.tasks import Metric

# with less it is not worth to begin: scikit-learn alone takes about as long to import
LEAST_SECONDS, LEAST_EACH = 1.5, 0.5
# of the time that is left when a model begins; the intervals come last
LINEAR_SHARE, TREE_SHARE = 0.35, 0.7
INTERVAL_SECONDS = 0.2
# seconds that are told
LEAST_TOLD = 0.05
# with which it is told that a reference was left out, or had more to learn; and what limits their time
LEFT_OUT, STOPPED = "left out: ", "stopped"
LIMIT = "at most a tenth of the time since the first trial"
CONSTANT_CLASS, CONSTANT_NUMBER = "most frequent class", "mean of the training rows"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A model that the winner is compared with.

    Attributes:
        name: what it is.
        test: metrics on all test rows, none if it was left out.
        interval: 95 % of the sweep's metric on the test rows whose answers are kept.
        ahead: by how much the winner is better by that metric on these rows, and its 95 % interval on the same draws of
            rows; negative where it is worse.
        seconds: that it took to fit.
        about: what else there is to know, as a part of a sentence; why it was left out if it was.
    """

    name: str
    test: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    ahead: tuple[float, float, float] | None = None
    seconds: float = 0.0
    about: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether it always answers the same."""
        return self.name in (CONSTANT_CLASS, CONSTANT_NUMBER)

    @property
    def is_stopped(self) -> bool:
        """Whether it had more to learn when its time was over."""
        return self.about.startswith(STOPPED)

    @property
    def why_left_out(self) -> str:
        """The reason, empty if it was not left out."""
        return self.about.removeprefix(LEFT_OUT) if self.about.startswith(LEFT_OUT) else ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `asdict`, also of what JSON has made of it.

        Raises:
            TypeError: the content was not written by it.
        """
        pairs = {name: content[name] and tuple(content[name]) for name in ("interval", "ahead")}
        return cls(**{**content, **pairs})


Fit = Callable[[Dataset, Examples, Deadline], FittedModel]


def measure_references(
    dataset: Dataset, metric: Metric, kept: KeptAnswers, names: Mapping[str, float], seconds: float
) -> tuple[Reference, ...]:
    """Fits the reference models that fit into a time, and measures them as the winner was.

    Args:
        dataset: of the sweep.
        metric: of the sweep.
        kept: what the winner says about test rows.
        names: the metrics that the winner has on the test rows.
        seconds: for all of them.
    """
    task = dataset.schema.target.task
    constant, linear = CONSTANT_NUMBER, "ridge regression"
    if task.classes:
        constant, linear = CONSTANT_CLASS, "logistic regression"
    trees = "histogram gradient boosting"
    if dataset.pieces is not None:
        why = f"{LEFT_OUT}the rows stay in their files, and scikit-learn needs all of them in memory"
        return tuple(Reference(name=name, about=why) for name in (constant, linear, trees))
    deadline = Deadline(time.perf_counter() + seconds)
    rows, total = training_rows(dataset)
    some = "" if len(rows) == total else f"fitted on {len(rows):,} of {total:,} training rows"
    tested = Examples.joined(list(dataset.rows(Part.TEST)))
    judge = _Judge(dataset=dataset, metric=metric, kept=kept, tested=tested, names=tuple(names), deadline=deadline)
    found = [judge.measured(constant, fit_constant, rows, deadline)]
    for name, fit, share in ((linear, fit_linear, LINEAR_SHARE), (trees, fit_boosted_trees, TREE_SHARE)):
        if not task.classes and task.outputs > 1:
            found.append(Reference(name=name, about=f"{LEFT_OUT}a {task.kind} answer has {task.outputs} numbers"))
        elif seconds < LEAST_SECONDS or deadline.left < LEAST_EACH:
            found.append(Reference(name=name, about=_too_long(seconds)))
        else:
            end = Deadline(time.perf_counter() + share * deadline.left)
            try:
                found.append(judge.measured(name, fit, rows, end, some))
            except OutOfTimeError:
                found.append(Reference(name=name, about=_too_long(seconds)))
    return tuple(found)


def keep_references(storage: Storage, references: tuple[Reference, ...]) -> None:
    """Writes them into the folder of a sweep.

    Raises:
        StorageError: they cannot be written.
    """
    storage.write(REFERENCES_FILE, seal({"references": [asdict(item) for item in references]}))


def read_references(storage: Storage) -> tuple[Reference, ...]:
    """Those in the folder of a sweep; none if it has none, as those of before.

    Raises:
        StorageError: the file is damaged.
    """
    return read_kept(storage, REFERENCES_FILE, _unpacked) or ()


def _unpacked(content: bytes) -> tuple[Reference, ...]:
    return tuple(map(Reference.from_json, unseal(content)["references"]))


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """Measures models as the winner was measured."""

    dataset: Dataset
    metric: Metric
    kept: KeptAnswers
    tested: Examples
    names: tuple[str, ...]
    deadline: Deadline

    def measured(self, name: str, fit: Fit, rows: Examples, deadline: Deadline, about: str = "") -> Reference:
        """Raises OutOfTimeError: see there."""
        started = time.perf_counter()
        model = fit(self.dataset, rows, deadline)
        seconds = time.perf_counter() - started
        shares, test = model.shares(self.tested.inputs), self.tested
        task, encoder = self.dataset.schema.target.task, self.dataset.target_encoder
        figures = {each: task.figure(each, encoder, shares, test.target, test.weight) for each in self.names}
        # they take longer than to answer always the same
        found = self._intervals(shares[self.kept.rows]) if self.deadline.left > INTERVAL_SECONDS else (None, None)
        return Reference(
            name=name,
            test={each: float(value) for each, value in figures.items() if value is not None},
            interval=found[0],
            ahead=found[1],
            seconds=seconds,
            about=", ".join(filter(None, [model.about, about])),
        )

    def _intervals(
        self, shares: NDArray[np.float64]
    ) -> tuple[tuple[float, float] | None, tuple[float, float, float] | None]:
        """See `Reference`."""
        kept, name = self.kept, self.metric.name
        task = kept.target.task
        mine = task.shares(kept.encoder, kept.outputs)
        own = partial(task.figure, name, self.dataset.target_encoder)
        interval = bootstrap_interval(own, shares, kept.truth, kept.weight, seconds=INTERVAL_SECONDS)
        width, sign = mine.shape[1], 1 if self.metric.maximize else -1

        def ahead(both: NDArray[np.float64], target: NDArray[Any], weight: NDArray[np.float64] | None) -> float | None:
            winner = task.figure(name, kept.encoder, both[:, :width], target, weight)
            other = own(both[:, width:], target, weight)
            return None if winner is None or other is None else sign * (winner - other)

        both = np.hstack([mine, shares])
        value = ahead(both, kept.truth, kept.weight)
        found = bootstrap_interval(ahead, both, kept.truth, kept.weight, seconds=INTERVAL_SECONDS)
        return interval, None if value is None or found is None else (value, *found)


def _too_long(seconds: float) -> str:
    if seconds < LEAST_TOLD:
        return f"{LEFT_OUT}no time was left"
    return f"{LEFT_OUT}references had {seconds:.1f} s, which is too little ({LIMIT})"
