"""Models of scikit-learn for the encoded rows of a data set, fitted within a time: what a network is compared with."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import Dataset, Examples
from orchestrator.features.fitted import FIRST_CATEGORY
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

# of its cells a table has at most so many here; of larger ones rows are taken evenly
MOST_CELLS = 20_000_000
# a linear model is far off where one number is, which networks are not
MOST_DEVIATIONS = 10.0
ITERATIONS, FIRST_ITERATIONS, TREES = 200, 2, 100
# scikit-learn's trees know no more categories, and of texts these are the words that most rows have
MOST_CATEGORIES, WORDS = 255, 200
# that one round of trees takes at least for each class, and for each cell of the table
TREE_SECONDS, CELL_SECONDS = 2e-3, 4e-9
# of the time that is left, so that a part which takes longer than the one before stays in it
CAREFUL = 0.5
LEAST_SHARE = 1e-7


class OutOfTimeError(Exception):
    """A model cannot be fitted in its time, with the reason."""


@dataclass(frozen=True)
class FittedModel:
    """A reference model.

    Attributes:
        shares: what it says about encoded rows, as `Task.shares` has it: float64 [rows, any].
        about: how it was fitted, as a part of a sentence.
    """

    shares: Callable[[Inputs], NDArray[np.float64]]
    about: str


@dataclass(frozen=True)
class Deadline:
    """Until when a model has to be fitted, as `time.perf_counter` counts."""

    end: float

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.end - time.perf_counter()

    def check(self, seconds: float = 0.0) -> None:
        """Raises OutOfTimeError if so many seconds are not left."""
        if self.left <= seconds:
            raise OutOfTimeError("there was no time for it")


def fit_constant(dataset: Dataset, rows: Examples, deadline: Deadline) -> FittedModel:
    """Always the same answer: the shares of the classes, or the mean."""
    del deadline
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    constant = task.constant_outputs(rows.target)
    return FittedModel(lambda inputs: task.shares(encoder, np.repeat(constant[None], len(inputs), axis=0)), "")


def fit_linear(dataset: Dataset, rows: Examples, deadline: Deadline) -> FittedModel:
    """Logistic regression for labels, ridge regression for numbers, on one-hot categories and words.

    Raises:
        OutOfTimeError: there was no time for it.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    features = _LinearFeatures.of(dataset, rows.inputs)
    deadline.check()
    x = features.matrix(rows.inputs)
    if not dataset.schema.target.task.classes:
        ridge = Ridge(solver="sparse_cg", max_iter=ITERATIONS).fit(x, rows.target, rows.weight)
        return FittedModel(_numbers(dataset, lambda inputs: ridge.predict(features.matrix(inputs))), "")
    deadline.check(CELL_SECONDS * x.nnz * dataset.schema.target.task.outputs * FIRST_ITERATIONS)
    model = LogisticRegression(max_iter=FIRST_ITERATIONS, warm_start=True)

    def more(count: int) -> int:
        model.set_params(max_iter=count)
        model.fit(x, rows.target, rows.weight)
        return int(max(model.n_iter_))

    done, converged = _in_parts(more, FIRST_ITERATIONS, ITERATIONS, deadline)
    about = "" if converged else f"stopped after {done} iterations"
    return FittedModel(_labels(dataset, model, features.matrix), about)


def fit_boosted_trees(dataset: Dataset, rows: Examples, deadline: Deadline) -> FittedModel:
    """Histogram-based gradient boosting (Ke et al. 2017, LightGBM), as scikit-learn sets it by default.

    Raises:
        OutOfTimeError: there was no time for it.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    features = _TreeFeatures.of(dataset, rows.inputs)
    task = dataset.schema.target.task
    x = features.matrix(rows.inputs)
    # the first round also puts numbers into bins
    deadline.check(max(1, len(task.classes)) * (TREE_SECONDS + CELL_SECONDS * x.size))
    kind = HistGradientBoostingClassifier if task.classes else HistGradientBoostingRegressor
    model = kind(
        max_iter=1, warm_start=True, early_stopping=False, random_state=0, categorical_features=features.categorical
    )
    total = 0

    def more(count: int) -> int:
        nonlocal total
        total += count
        model.set_params(max_iter=total)
        model.fit(x, rows.target, rows.weight)
        return count

    done, _ = _in_parts(more, 1, TREES, deadline)
    about = f"{done} rounds" if done == TREES else f"stopped after {done} of {TREES} rounds"
    if task.classes:
        return FittedModel(_labels(dataset, model, features.matrix), about)
    return FittedModel(_numbers(dataset, lambda inputs: model.predict(features.matrix(inputs))), about)


def training_rows(dataset: Dataset) -> tuple[Examples, int]:
    """All training rows in memory, or of very many some, evenly spaced; and how many there are."""
    rows = dataset.some_training_rows(dataset.counts[0])
    width = sum(array.shape[1] for array in rows.inputs.arrays.values())
    most = max(1, MOST_CELLS // max(1, width))
    if len(rows) <= most:
        return rows, len(rows)
    return rows.take(np.linspace(0, len(rows) - 1, most).astype(np.int64)), len(rows)


def _in_parts(more: Callable[[int], int], first: int, total: int, deadline: Deadline) -> tuple[int, bool]:
    """Fits on and on: a few iterations, of which the time of one is known, and then as many as there is time for.

    Args:
        more: fits so many iterations more; how many it took until nothing changed any more, or all of them.
        first, total: iterations at first, and at most.
        deadline: of the fit.

    Returns:
        How many iterations there were, and whether nothing changed any more.
    """
    done, count = 0, first
    # it says after each part that it has not come to its end
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while True:
            started = time.perf_counter()
            took = more(count)
            done += took
            if took < count:
                return done, True
            each = (time.perf_counter() - started) / max(1, took)
            count = min(total - done, int(CAREFUL * deadline.left / max(each, 1e-9)))
            if count < 1:
                return done, False


def _labels(
    dataset: Dataset,
    model: Any,  # noqa: ANN401
    matrix: Callable[[Inputs], Any],
) -> Callable[[Inputs], NDArray[np.float64]]:
    """Probabilities of all classes, also of those that no training row has."""
    count = len(dataset.schema.target.task.classes)

    def shares(inputs: Inputs) -> NDArray[np.float64]:
        found = np.full((len(inputs), count), LEAST_SHARE)
        found[:, model.classes_] = np.maximum(model.predict_proba(matrix(inputs)), LEAST_SHARE)
        normalised: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
        return normalised

    return shares


def _numbers(dataset: Dataset, predict: Callable[[Inputs], NDArray[Any]]) -> Callable[[Inputs], NDArray[np.float64]]:
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    return lambda inputs: task.shares(encoder, predict(inputs).astype(np.float32)[:, None])


@dataclass(frozen=True)
class _LinearFeatures:
    """Encoded rows as a linear model has them, in a sparse matrix.

    Attributes:
        codes: of each categorical column how many there are.
        words: number of hashed words, 0 without texts.
        rarity: weight of each word (inverse document frequency), float64 [words].
    """

    codes: tuple[int, ...]
    words: int
    rarity: NDArray[np.float64]

    @classmethod
    def of(cls, dataset: Dataset, inputs: Inputs) -> _LinearFeatures:
        specs = {spec.name: spec for spec in dataset.encoder.inputs}
        words = specs[TEXT].codes[0] if TEXT in specs else 0
        rarity = np.zeros(words)
        if words:
            there = np.bincount(_once(inputs[TEXT], words).indices, minlength=words)
            rarity = np.log((1 + len(inputs)) / (1 + there)) + 1
        return cls(specs[CATEGORICAL].codes if CATEGORICAL in specs else (), words, rarity)

    def matrix(self, inputs: Inputs) -> csr_matrix:
        """float64 [rows, width]."""
        from scipy.sparse import csr_matrix, hstack

        rows, parts = len(inputs), []
        if NUMERIC in inputs.arrays:
            parts.append(csr_matrix(np.clip(inputs[NUMERIC].astype(np.float64), -MOST_DEVIATIONS, MOST_DEVIATIONS)))
        if self.codes:
            starts = np.cumsum((0, *self.codes))
            places = inputs[CATEGORICAL] + starts[:-1]
            ends = np.arange(0, places.size + 1, places.shape[1])
            parts.append(csr_matrix((np.ones(places.size), places.reshape(-1), ends), shape=(rows, int(starts[-1]))))
        if self.words:
            found = _once(inputs[TEXT], self.words).multiply(self.rarity).tocsr()
            length = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).reshape(-1))
            found.data /= np.repeat(np.maximum(length, 1e-12), np.diff(found.indptr))
            parts.append(found)
        return hstack(parts, format="csr")


@dataclass(frozen=True)
class _TreeFeatures:
    """Encoded rows as trees have them: numbers, codes of categories, and which of the most frequent words are there.

    Attributes:
        wide: which categorical columns have more categories than trees know; their codes are numbers to them.
        words: the most frequent ones, int64 [words].
        width: number of all words.
        categorical: which columns are categories.
    """

    wide: NDArray[np.bool_]
    words: NDArray[np.int64]
    width: int
    categorical: Sequence[bool]

    @classmethod
    def of(cls, dataset: Dataset, inputs: Inputs) -> _TreeFeatures:
        specs = {spec.name: spec for spec in dataset.encoder.inputs}
        codes = np.array(specs[CATEGORICAL].codes if CATEGORICAL in specs else (), np.int64)
        wide = codes > MOST_CATEGORIES
        words, width = np.empty(0, np.int64), 0
        if TEXT in specs:
            width = specs[TEXT].codes[0]
            counts = np.bincount(_once(inputs[TEXT], width).indices, minlength=width)
            words = np.sort(np.argsort(-counts, kind="stable")[:WORDS])
        numbers: int = specs[NUMERIC].shape[0] or 0 if NUMERIC in specs else 0
        return cls(wide, words, width, [False] * numbers + (~wide).tolist() + [False] * len(words))

    def matrix(self, inputs: Inputs) -> NDArray[np.float32]:
        """float32 [rows, width]; a missing or unknown category is a missing value."""
        parts = [inputs[NUMERIC]] if NUMERIC in inputs.arrays else []
        if len(self.wide):
            codes = inputs[CATEGORICAL].astype(np.float32) - FIRST_CATEGORY
            codes[codes < 0] = np.nan
            parts.append(codes)
        if len(self.words):
            parts.append(_once(inputs[TEXT], self.width)[:, self.words].toarray().astype(np.float32))
        return np.hstack(parts)


def _once(tokens: NDArray[np.int64], width: int) -> csr_matrix:
    """Which words are in each text, without their signs: [rows, width] of ones; 0 is the end of a text."""
    from scipy.sparse import csr_matrix

    rows, places = np.nonzero(tokens)
    found = csr_matrix((np.ones(len(rows)), (rows, np.abs(tokens[rows, places]))), shape=(len(tokens), width))
    # two words of a text may have the same number
    found.sum_duplicates()
    found.data[:] = 1.0
    return found
