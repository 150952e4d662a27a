"""Answers that are labels, beside the true ones: which are confused, and what probabilities are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.misses import Labels, furthest, label_parts
from orchestrator.evaluation.scores import ScoreCurve, calibration
from orchestrator.reports.content import QUIET, Axis, Cell, Chart, MarkKind, ReportTable, Trace, numbers_of, thinned
from orchestrator.reports.sections.row_names import numbering, row_number

PAIR = 2
# classes in the matrix and with curves of their own; the most frequent ones
GRID_CLASSES, CURVE_CLASSES, TABLE_CLASSES = 20, 6, 100
MOST_POINTS, MOST_ROWS, WORST, DIGITS = 200, 100, 10, 5


def label_tables(kept: KeptAnswers) -> list[ReportTable]:
    """Figures of each class, and the rows that are furthest from the truth."""
    truth, said, shares = label_parts(kept)
    classes = list(map(str, kept.target.classes))
    order = _frequent(truth, len(classes), TABLE_CLASSES)
    rows: list[tuple[Cell, ...]] = []
    for number in order:
        hits = int(((truth == number) & (said == number)).sum())
        there, told = int((truth == number).sum()), int((said == number).sum())
        precision, recall = (hits / told if told else None), (hits / there if there else None)
        both = there + told
        rows.append((classes[number], there, told, precision, recall, 2 * hits / both if both else None))
    caption = "" if len(order) == len(classes) else f"The {len(order)} most frequent of {len(classes)} classes"
    headers = ("class", "rows", "predicted", "precision", "recall", "f1")
    each = ReportTable(headers, tuple(rows), caption)
    true_share = shares[np.arange(len(truth)), truth]
    worst = furthest(kept, WORST)
    cells = tuple(
        (row_number(kept, row), classes[truth[row]], classes[said[row]], float(true_share[row])) for row in worst
    )
    told_so = f"The rows whose true class was thought least likely; {numbering(kept)}"
    misses = ReportTable(("row", "true", "predicted", "probability of the true one"), cells, told_so)
    return [each, misses] if cells else [each]


def label_charts(kept: KeptAnswers) -> list[Chart]:
    """Confusion matrix, ROC and precision-recall curves, calibration, and of two classes the threshold."""
    truth, _, shares = label_parts(kept)
    classes = list(map(str, kept.target.classes))
    pair = len(classes) == PAIR
    shown = [1] if pair else _frequent(truth, len(classes), CURVE_CLASSES)
    curves = [(classes[number], ScoreCurve.of(shares[:, number], truth == number)) for number in shown]
    curves = [(name, curve) for name, curve in curves if curve.positives and curve.negatives]
    charts = [_confusion(kept)]
    if curves:
        charts += [_roc(curves), _precision(curves)]
    charts.append(_calibration(kept, pair=pair))
    if pair and curves:
        charts.append(_threshold(kept, curves[0][1]))
    return charts


def _frequent(truth: Labels, count: int, most: int) -> list[int]:
    """The most frequent classes, in their own order."""
    order = np.argsort(-np.bincount(truth, minlength=count), kind="stable")[:most]
    return sorted(order.tolist())


def _confusion(kept: KeptAnswers) -> Chart:
    truth, said, _ = label_parts(kept)
    classes = list(map(str, kept.target.classes))
    shown = _frequent(truth, len(classes), GRID_CLASSES)
    table = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(table, (truth, said), 1)
    names = tuple(classes[number] for number in shown)
    values = tuple(tuple(map(int, table[number, shown])) for number in shown)
    rows: list[tuple[Cell, ...]] = [(name, *row) for name, row in zip(names, values, strict=True)]
    more = "" if len(shown) == len(classes) else f" The {len(shown)} most frequent of {len(classes)} classes."
    return Chart(
        name="confusion",
        title="Confusion matrix",
        about=f"Rows of each true class (down) by the predicted one (across); right ones are on the diagonal.{more}",
        x=Axis("predicted", names=names),
        y=Axis("true", names=tuple(reversed(names))),
        traces=(Trace(name="rows", x=names, y=names, values=values, marks=MarkKind.GRID),),
        table=ReportTable(("true \\ predicted", *names), tuple(rows)),
    )


def _rounded(values: NDArray[np.float64]) -> tuple[Cell, ...]:
    return tuple(round(float(value), DIGITS) for value in values)


Curves = Sequence[tuple[str, ScoreCurve]]


def _lines(
    curves: Iterable[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[tuple[Trace, ...], list[tuple[Cell, ...]]]:
    """Lines of (name, x [points], y [points]), thinned, and the same as rows of a table."""
    traces: list[Trace] = []
    rows: list[tuple[Cell, ...]] = []
    for style, (name, across, up) in enumerate(curves):
        places = thinned(len(across), MOST_POINTS)
        x, y = _rounded(across[places]), _rounded(up[places])
        traces.append(Trace(name=name, x=x, y=y, style=style))
        rows += [(name, *pair) for pair in zip(x, y, strict=True)]
    return tuple(traces), rows


def _roc(curves: Curves) -> Chart:
    traces, rows = _lines((name, *curve.roc) for name, curve in curves)
    return Chart(
        name="roc",
        title="ROC curve",
        about="How many of the class are found, for each share of others that are taken for it: the higher the better.",
        x=Axis("false positive rate"),
        y=Axis("true positive rate"),
        traces=(_diagonal("by chance"), *traces),
        table=numbers_of(("class", "false positive rate", "true positive rate"), rows, MOST_ROWS),
    )


def _precision(curves: Curves) -> Chart:
    traces, rows = _lines((name, curve.recall, curve.precision) for name, curve in curves)
    return Chart(
        name="precision-recall",
        title="Precision and recall",
        about="What share of the rows that are taken for a class are of it, for each share of the class that is found.",
        x=Axis("recall"),
        y=Axis("precision"),
        traces=traces,
        table=numbers_of(("class", "recall", "precision"), rows, MOST_ROWS),
    )


def _calibration(kept: KeptAnswers, *, pair: bool) -> Chart:
    truth, said, shares = label_parts(kept)
    if pair:
        probability, happened = shares[:, 1], truth == 1
        what = f"class {kept.target.classes[1]}"
    else:
        probability, happened = shares[np.arange(len(said)), said], truth == said
        what = "the predicted class"
    rows = calibration(probability, happened)
    line = Trace(
        name=what,
        x=tuple(round(mean, DIGITS) for _, mean, _ in rows),
        y=tuple(round(share, DIGITS) for _, _, share in rows),
        hints=tuple(f"{count} rows: {mean:.3f} said, {share:.3f} true" for count, mean, share in rows),
    )
    return Chart(
        name="calibration",
        title="Calibration",
        about=f"In ten groups of rows, how probable {what} was, and how often it was so: best on the diagonal.",
        x=Axis("mean probability"),
        y=Axis("share in which it was so"),
        traces=(_diagonal("as said"), line),
        table=ReportTable(("rows", "mean probability", "share in which it was so"), tuple(rows)),
    )


def _threshold(kept: KeptAnswers, curve: ScoreCurve) -> Chart:
    places = thinned(len(curve.threshold), MOST_POINTS)
    x = _rounded(curve.threshold[places])
    parts = {"precision": curve.precision, "recall": curve.recall, "f1": curve.f1}
    traces = [
        Trace(name=name, x=x, y=_rounded(values[places]), style=style)
        for style, (name, values) in enumerate(parts.items())
    ]
    used = kept.encoder.threshold
    traces.append(Trace(name=f"threshold {used:g}", x=(used, used), y=(0.0, 1.0), style=QUIET))
    rows = list(zip(x, *(trace.y for trace in traces[:-1]), strict=True))
    return Chart(
        name="threshold",
        title=f"Threshold of class {kept.target.classes[1]}",
        about=f"Precision, recall and f1 if rows above each probability were given the label; {used:g} is used.",
        x=Axis("threshold"),
        y=Axis("figure"),
        traces=tuple(traces),
        table=numbers_of(("threshold", *parts), rows, MOST_ROWS),
    )


def _diagonal(name: str) -> Trace:
    return Trace(name=name, x=(0.0, 1.0), y=(0.0, 1.0), style=QUIET)
