"""The test rows that the winner is furthest off with: what stands in them, and what each column adds to the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.data import LabelledRows, RowNumbers
from orchestrator.errors import OrchestratorError
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.misses import furthest, label_parts, number_parts
from orchestrator.explanations.methods import explain
from orchestrator.explanations.model import ExplainedModel
from orchestrator.explanations.overview import some_of
from orchestrator.explanations.results import Cell, ShapExplanation

MOST_ROWS = 3
# with a smaller background a baseline means little
LEAST_BACKGROUND = 20


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """A row with its answer.

    Attributes:
        place: among the test rows, from 0; None if that is not known.
        name: what it is called in the data; nothing if that is not known.
        true: its class or number.
        answer: label or number that was predicted.
        output: what is explained, as `predict` calls it.
        prediction: its value.
        baseline: its mean over the background.
        columns: name, value and what it adds, the largest first; they add up to the prediction minus the baseline.
    """

    place: int | None
    true: Cell
    answer: Cell
    output: str
    prediction: float
    baseline: float
    columns: tuple[tuple[str, Cell, float], ...]
    name: str = ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> WorstRow:
        """The inverse of `vars`, also of what JSON has made of it.

        Raises:
            KeyError, TypeError, ValueError: it was not written by it.
        """
        columns = tuple((str(name), value, float(adds)) for name, value, adds in content["columns"])
        return cls(**{**content, "columns": columns})


def explain_worst(
    model: ExplainedModel, rows: LabelledRows | None, numbers: RowNumbers | None = None, *, seconds: float
) -> tuple[WorstRow, ...]:
    """Explains the worst of some test rows by SHAP values; none where the model keeps no rows, or time is short.

    Args:
        model: that answers.
        rows: that it was not fitted on.
        numbers: where the rows of their part are in the data; None if that is not known.
        seconds: that it may take; a smaller background is taken where a whole one takes longer.
    """
    end = time.monotonic() + seconds
    # who wants no rows to be kept with a model, wants none in a report either
    if rows is None or model.background is None or seconds <= 0:
        return ()
    try:
        found = _explained(model, rows, end)
    except OrchestratorError:
        return ()
    if numbers is None:
        return found
    return tuple(row if row.place is None else replace(row, name=numbers.name_of(row.place)) for row in found)


def _explained(model: ExplainedModel, rows: LabelledRows, end: float) -> tuple[WorstRow, ...]:
    frame = rows.rows.frame()
    began = time.monotonic()
    outputs = model.network(model.encoder.transform(model.schema, frame))
    each = (time.monotonic() - began) / len(frame)
    answers = KeptAnswers.of(model.schema.target, model.target_encoder, outputs, rows.target, rows.weight)
    places = furthest(answers, MOST_ROWS)
    if not len(places):
        return ()
    background = frame.iloc[:0] if model.background is None else model.background.frame()
    # each background row is switched column by column, in an order and in its reverse
    asked = 2 * len(frame.columns) * len(places)
    count = min(len(background), int(max(0.0, end - time.monotonic()) / max(each * asked, 1e-9)))
    if count < min(LEAST_BACKGROUND, len(background)):
        return ()
    found = explain(model, frame.iloc[places], background=background.iloc[some_of(len(background), count, 0)])
    return tuple(_row(found, rows, answers, number, int(place)) for number, place in enumerate(places))


def _row(found: object, rows: LabelledRows, answers: KeptAnswers, number: int, place: int) -> WorstRow:
    if not isinstance(found, ShapExplanation):
        raise TypeError(found)
    explained, adds = found.rows, found.contributions[number]
    output = int(explained.shown[number])
    order = np.argsort(-np.abs(adds), kind="stable")
    true, said = _truth(answers, place)
    return WorstRow(
        place=None if rows.places is None else int(rows.places[place]),
        true=true,
        answer=said,
        output=explained.outputs[output],
        prediction=float(explained.predictions[number, output]),
        baseline=float(found.baseline[output]),
        columns=tuple((explained.columns[i], explained.cells[number][i], float(adds[i])) for i in order),
    )


def _truth(answers: KeptAnswers, place: int) -> tuple[Cell, Cell]:
    if answers.target.classes:
        truth, said, _ = label_parts(answers)
        return str(answers.target.classes[truth[place]]), str(answers.target.classes[said[place]])
    true, number = number_parts(answers)
    return float(true[place]), float(number[place])
