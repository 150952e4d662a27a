"""The data: what its columns are, what is missing, whether the parts of the rows look alike, and what was guessed."""

from __future__ import annotations

from itertools import compress

from orchestrator.data import population_stability_index
from orchestrator.features.bins import Bins, NumericBins
from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, ReportTable, Section, Trace
from orchestrator.reports.story import SweepStory

# Siddiqi's rule: from the first on something has changed, from the second on rows are others
CHANGED, SHIFTED = 0.1, 0.25
# of what the rows of a part differ by, if they are drawn by chance; see `population_stability_index`
TIMES_CHANCE = 3
MOST_COLUMNS, MOST_BARS, MOST_NOTES, DIGITS = 200, 12, 20, 3


def section(story: SweepStory) -> Section | None:
    """None where there is no model yet, which knows its columns."""
    model = story.model
    if model is None:
        return None
    bins = {} if model.distribution is None else model.distribution.bins
    columns = model.schema.columns
    headers: tuple[str, ...] = (
        "column",
        "kind",
        "missing",
        "distinct",
        "drift of validation rows",
        "drift of test rows",
    )
    rows: list[tuple[Cell, ...]] = [
        (
            column.name,
            column.kind.value,
            _missing(bins.get(column.name)),
            None if story.parts is None else story.parts.distinct.get(column.name),
            *(drift_of(story, column.name, part) for part in ("validation", "test")),
        )
        for column in columns[:MOST_COLUMNS]
    ]
    # of texts there is neither
    filled = [any(row[place] is not None for row in rows) for place in range(len(headers))]
    *_, missing, distinct, validated, tested = filled
    told = ["Missing and distinct values are of the training rows."] if missing or distinct else []
    told += ["Drift is the population stability index (PSI)."] if validated or tested else []
    if len(columns) > MOST_COLUMNS:
        told.append(f"The first {MOST_COLUMNS} of {len(columns):,} columns.")
    headers, rows = tuple(compress(headers, filled)), [tuple(compress(row, filled)) for row in rows]
    paragraphs = [Paragraph(_said(story, [column.name for column in columns]))]
    notes = [f"{note}." for note in model.notes]
    if notes:
        more = [f"And {len(notes) - MOST_NOTES} more notes, which `orchestrator inspect` shows."]
        paragraphs.append(
            Paragraph(
                (*notes[:MOST_NOTES], *more[: len(notes) > MOST_NOTES]), "What was guessed, and how to say otherwise"
            )
        )
    return Section(
        name="data",
        title="Data",
        paragraphs=tuple(paragraphs),
        tables=(ReportTable(headers, tuple(rows), " ".join(told)),),
        charts=_charts(story, [column.name for column in columns]),
    )


def drift_of(story: SweepStory, column: str, part: str) -> float | None:
    """The population stability index of a column in validation or test rows; None if it is not known."""
    distribution = None if story.model is None else story.model.distribution
    if distribution is None or story.parts is None or column not in distribution.bins:
        return None
    found = (story.parts.validation if part == "validation" else story.parts.test).get(column)
    return None if not found else round(population_stability_index(distribution.bins[column].counts, found), DIGITS)


def _is_large(story: SweepStory, column: str, part: str) -> bool:
    """Whether the rows of a part are others, by more than rows drawn by chance are."""
    drift = drift_of(story, column, part)
    if drift is None or story.parts is None or story.model is None or story.model.distribution is None:
        return False
    expected = story.model.distribution.bins[column].counts
    found = (story.parts.validation if part == "validation" else story.parts.test)[column]
    chance = (1 / max(1, sum(expected)) + 1 / max(1, sum(found))) * (len(expected) - 1)
    return drift > max(CHANGED, TIMES_CHANCE * chance)


def _said(story: SweepStory, columns: list[str]) -> tuple[str, ...]:
    if story.parts is None:
        return ("How validation and test rows differ from the training rows is not known of this sweep.",)
    found = [
        f"`{name}` in the {part} rows ({drift_of(story, name, part):.2g})"
        for part in ("validation", "test")
        for name in columns
        if _is_large(story, name, part)
    ]
    measured = [name for name in columns if drift_of(story, name, "validation") is not None]
    if not measured:
        return (
            "Whether validation and test rows look like the training rows is not known: texts have no figure of drift.",
        )
    if not found:
        every = "every column" if len(measured) == len(columns) else f"the {len(measured)} columns that have a figure"
        return (f"Validation and test rows look like the training rows in {every}: no drift beyond what chance gives.",)
    shown = ", ".join(found[:MOST_BARS]) + (f" and {len(found) - MOST_BARS} more" if len(found) > MOST_BARS else "")
    return (
        f"Other than in the training rows: {shown}.",
        f"Above {CHANGED} something has changed, above {SHIFTED} they are other rows: a model has seen few like them. "
        "Rows that are split by time, group or file often are.",
    )


def _charts(story: SweepStory, columns: list[str]) -> tuple[Chart, ...]:
    """Drift of the columns that have most of it."""
    found = [(name, drift_of(story, name, "validation"), drift_of(story, name, "test")) for name in columns]
    known = [(name, one, other) for name, one, other in found if one is not None and other is not None]
    known.sort(key=lambda item: -max(item[1:]))
    shown = known[:MOST_BARS]
    if not shown or max(shown[0][1:]) < CHANGED:
        return ()
    names = tuple(name for name, _, _ in shown)
    traces = tuple(
        Trace(name=f"{part} rows", x=tuple(item[place] for item in shown), y=names, style=style, marks=MarkKind.POINTS)
        for style, (place, part) in enumerate(((1, "validation"), (2, "test")))
    )
    chart = Chart(
        name="drift",
        title="Drift from the training rows",
        about=f"Population stability index of each column; above {SHIFTED} rows are others. The {len(shown)} largest.",
        x=Axis("population stability index"),
        y=Axis("", names=tuple(reversed(names))),
        traces=traces,
        table=ReportTable(("column", "validation rows", "test rows"), tuple(shown)),
    )
    return (chart,)


def _missing(bins: Bins | None) -> str | None:
    """The share of training rows that have no value."""
    if bins is None:
        return None
    rows = sum(bins.counts)
    count = 0 if isinstance(bins, NumericBins) and bins.missing is None else bins.counts[-1]
    if not count or not rows:
        return "0 %"
    share = 100 * count / rows
    return f"{share:.1f} %" if share >= 0.1 else "under 0.1 %"  # noqa: PLR2004
