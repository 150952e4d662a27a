"""The model card: what people should know of the winner of a sweep before they use it, as Markdown.

After Mitchell et al. 2019, Model Cards for Model Reporting: what it predicts, of which data, how well, and its limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.bundle.content import BundleContent
from orchestrator.bundle.files import CARD_FILE
from orchestrator.columns.rows_wish import FILES, RowsWish
from orchestrator.errors import BundleError, ConfigError
from orchestrator.evaluation.winner_description import WinnerDescription
from orchestrator.networks.settings import KEEPS_ROWS
from orchestrator.reports.content import Cell, ReportTable
from orchestrator.reports.markdown import plain_words, table_lines
from orchestrator.tasks import metric_named
from orchestrator.units import show_bytes, show_latency, show_number

# rows of a table or list; of a short card
MOST_ROWS, FEW_ROWS = 30, 8
# fewer test rows say little about a figure
FEW_TEST_ROWS = 200
SECTION = "\n## "


@dataclass(frozen=True, kw_only=True)
class CardSource:
    """What a bundle does not say of itself.

    Attributes:
        model: how it is called from elsewhere: `models:/NAME@champion`, or a folder.
        data: name of its data; empty if it is not known.
        sweep: id of the sweep; empty if it is not known.
        rows: how these were split.
        winner: what else was found out about it.
    """

    model: str
    data: str = ""
    sweep: str = ""
    rows: RowsWish | None = None
    winner: WinnerDescription = field(default_factory=WinnerDescription)


def model_card(content: BundleContent, source: CardSource) -> str:
    """The card of a model.

    Args:
        content: of its bundle.
        source: what else is known of it.
    """
    parts = (_about, _figures, _data, _columns, _model, _limits, _use)
    return "\n".join(line for part in parts for line in part(content, source))


def card_in(content: BundleContent, model: str) -> str:
    """The card in a bundle; of one without what can be said of it.

    Args:
        content: of the bundle.
        model: how it is called.

    Raises:
        BundleError: what it says of itself is damaged.
    """
    if content.card:
        return content.card
    try:
        return model_card(content, CardSource(model=model))
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise BundleError(f"metrics.json of {model}: damaged ({error!r}), so there is no card") from None


def short_card(card: str, length: int) -> str:
    """A card with so many characters at most: with short tables and lists, without the sections that do not fit."""
    if len(card) <= length:
        return card
    rest = f"\nThe whole card is `{CARD_FILE}` among the files of the model and of its sweep.\n"
    parts = "\n".join(_shortened(card.split("\n"))).split(SECTION)
    kept, left = [parts[0][: length - len(rest)]], length - len(rest) - len(parts[0])
    # what is short, such as how to call it, is wanted before long tables
    for part in sorted(parts[1:], key=len):
        if len(SECTION) + len(part) <= left:
            kept.append(part)
            left -= len(SECTION) + len(part)
    return SECTION.join(sorted(kept, key=[kept[0], *parts[1:]].index)) + rest


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a card with the first rows of each table and list."""
    again = 0
    for line in lines:
        again = again + 1 if line[:2] in ("| ", "- ") else 0
        if again <= FEW_ROWS + 1:
            yield line
        elif again == FEW_ROWS + 2:
            yield "\n..." if line[:1] == "|" else "- ..."


def summary_in(card: str) -> str:
    """What a model is for, as its card says: the first sentence below its title."""
    return next((line for line in card.split("\n")[1:] if line), "")


def summary_of(content: BundleContent, source: CardSource) -> str:
    """What the model is for, in a sentence."""
    target, columns = content.schema.target, {column.name for column in content.schema.columns}
    of = f" of the data `{source.data}`" if source.data else ""
    count = len(columns)
    return f"Predicts `{_name(target.name)}` ({target.task.title}) from {count:,} column{'s' * (count != 1)}{of}."


def _about(content: BundleContent, source: CardSource) -> Iterator[str]:
    yield f"# Model card: {plain_words(_name(source.model))}\n"
    yield f"{plain_words(summary_of(content, source))}\n"
    classes = [str(label) for label in content.schema.target.classes]
    if classes:
        shown = ", ".join(f"`{_name(label)}`" for label in classes[:FEW_ROWS])
        more = f" and {len(classes) - FEW_ROWS:,} more" if len(classes) > FEW_ROWS else ""
        yield f"It answers a label and a probability of each of {len(classes):,} classes: {shown}{more}.\n"


def _figures(content: BundleContent, source: CardSource) -> Iterator[str]:
    about = content.metrics
    chosen, intervals = about.get("metric"), source.winner.intervals
    rows: list[tuple[Cell, ...]] = []
    for name, value in sorted(about.get("test", {}).items(), key=lambda item: item[0] != chosen):
        low, high = intervals.get(name, (None, None))
        interval = "" if low is None else f"{show_number(low)} to {show_number(high)}"
        better = "larger" if metric_named(name, maximize=about.get("maximize")).maximize else "smaller"
        rows.append((name, about.get("validation") if name == chosen else None, value, interval, better))
    if not rows:
        return
    yield "## How good it is\n"
    caption = f"By `{chosen}` it was chosen" if chosen else ""
    yield from table_lines(
        ReportTable(("metric", "validation", "test", "95 % interval", "better is"), tuple(rows), caption)
    )
    if intervals:
        yield "Intervals are of a bootstrap over the test rows: what other rows of the same kind may give.\n"


def _data(content: BundleContent, source: CardSource) -> Iterator[str]:
    about = content.metrics
    facts: list[tuple[Cell, ...]] = []
    if source.data:
        facts.append(("data", source.data))
    if about.get("data_digest"):
        facts.append(("digest (SHA-256 of rows and split)", about["data_digest"]))
    counts = about.get("rows", {})
    if counts:
        facts.append(("rows", ", ".join(f"{count:,} {part}" for part, count in counts.items())))
    facts.append(("split", "; ".join(_split(source.rows))))
    if source.sweep:
        facts.append(("sweep", source.sweep))
    yield "## Data\n"
    yield from table_lines(ReportTable(("", ""), tuple(facts)))
    if content.notes:
        yield f"**What was guessed about it** ({len(content.notes):,})\n"
        yield from (f"- {plain_words(str(note))}" for note in content.notes[:MOST_ROWS])
        if len(content.notes) > MOST_ROWS:
            yield f"- and {len(content.notes) - MOST_ROWS:,} more, in `notes.json`"
        yield ""


def _split(rows: RowsWish | None) -> Iterator[str]:
    if rows is None:
        yield "not known"
        return
    if rows.split_column is not None:
        yield f"as the column `{_name(rows.split_column)}` says"
    if rows.time is not None:
        yield f"the latest by `{_name(rows.time)}` are tested on, those before validated on"
    if rows.group is not None:
        yield f"rows with the same `{_name(rows.group)}` are on one side"
    for part in FILES:
        if getattr(rows, part) is not None:
            yield f"{part} rows were given in a file of their own"
    if rows.split_column is None and rows.time is None and len(rows.files) < len(FILES):
        yield "drawn by chance" + (", equal rows on one side" if rows.equal_rows == "together" else "")
    if rows.weight is not None:
        yield f"rows count as `{_name(rows.weight)}` says"


def _columns(content: BundleContent, source: CardSource) -> Iterator[str]:
    overview = source.winner.overview
    kinds = {column.name: column.kind.value for column in content.schema.columns}
    kinds |= {each.column: "list" for each in content.schema.nested}
    found = overview.importance
    yield "## Columns\n"
    if found is None:
        rows: list[tuple[Cell, ...]] = [(name, kind) for name, kind in kinds.items()]
        yield from _cut(("column", "kind"), rows)
        if overview.why_not:
            yield f"What they decide is not known: {plain_words(overview.why_not)}.\n"
        return
    figures = zip(found.columns, found.importance, found.low, found.high, strict=True)
    rows = [
        (name, kinds.get(name, ""), float(mean), f"{show_number(float(low))} to {show_number(float(high))}")
        for name, mean, low, high in figures
    ]
    yield (
        f"How much worse `{found.metric}` becomes when the values of a column are shuffled among {found.rows:,} test "
        "rows "
        f"(permutation importance, {found.drops.shape[1]} shuffles; the interval is of these). Columns that say the "
        "same share it.\n"
    )
    yield from _cut(("column", "kind", f"{found.metric} loses", "95 % interval"), rows)


def _cut(headers: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> Iterator[str]:
    yield from table_lines(ReportTable(headers, tuple(rows[:MOST_ROWS])))
    if len(rows) > MOST_ROWS:
        yield f"And {len(rows) - MOST_ROWS:,} more.\n"


def _model(content: BundleContent, source: CardSource) -> Iterator[str]:
    del source
    about = content.metrics
    trial = about.get("trial", {})
    ensemble = about.get("ensemble")
    yield "## Network\n"
    if ensemble is not None and ensemble.get("accepted"):
        members = ensemble["members"]
        yield f"An ensemble of {len(members)} trials, {plain_words(str(ensemble['reason']))}.\n"
        rows: list[tuple[Cell, ...]] = [
            (item["trial"], item["architecture"], item["weight"], item["validation"], item["adds"]) for item in members
        ]
        yield from _cut(("trial", "architecture", "weight", "alone on validation rows", "adds"), rows)
    elif trial:
        settings = ", ".join(f"{name} {show_number(value)}" for name, value in trial.get("settings", {}).items())
        name, epoch = plain_words(str(trial.get("architecture"))), about.get("best_epoch")
        yield f"{name} ({plain_words(settings)}), epoch {epoch}.\n"
    for name in ("temperature", "threshold"):
        if (decided := about.get(name)) is not None:
            value, reason = decided.get(name, decided.get("value")), plain_words(str(decided.get("reason")))
            yield f"- {name} {show_number(value)}: {reason}"
    if (cost := about.get("cost")) is not None:
        yield f"- a row takes {show_latency(cost['seconds'])} with {cost['engine']}; it has {show_bytes(cost['size'])}"
    yield ""


def _architectures(about: Mapping[str, Any]) -> set[str]:
    """Of the network, or of the members of an ensemble."""
    ensemble = about.get("ensemble") or {}
    members = ensemble["members"] if ensemble.get("accepted") else [about.get("trial", {})]
    return {str(item.get("architecture")) for item in members}


def _limits(content: BundleContent, source: CardSource) -> Iterator[str]:
    yield "## Limits\n"
    yield "- It knows rows like those of its data. Whether requests still do, `/metrics` of an endpoint says (drift)."
    test = content.metrics.get("rows", {}).get("test", 0)
    if 0 < test < FEW_TEST_ROWS:
        yield f"- {test:,} test rows are few: see how wide the intervals are."
    if content.target_encoder.bounds is not None:
        low, high = content.target_encoder.bounds
        ends = f"{show_number(low)} and {show_number(high)}"
        yield f"- The numbers that it answers are between {ends}, the ends of its training rows."
    if content.encoder.categorical:
        yield "- Categories that its training rows did not have are all the same to it."
    if source.rows is not None and source.rows.time is None:
        yield "- Its test rows are of the same time as its training rows, if they have one; the future may differ."
    if keeping := sorted(_architectures(content.metrics) & KEEPS_ROWS):
        yield (
            f"- `{', '.join(keeping)}` answers with training rows: their embeddings and targets are part of it. "
            "Whoever has the model has something of them."
        )
    if content.background is not None:
        yield f"- It holds {len(content.background):,} of its training rows, which explanations compare others with."
    yield "- Importance and explanations say what the model does, not what causes what in the world.\n"


def _use(content: BundleContent, source: CardSource) -> Iterator[str]:
    names = [column.name for column in content.schema.columns]
    shown = ", ".join(f"`{_name(name)}`" for name in names[:FEW_ROWS])
    more = f" and {len(names) - FEW_ROWS:,} more, see its schema" if len(names) > FEW_ROWS else ""
    model = source.model
    yield "## How to call it\n"
    yield f"Rows are tables, CSV or JSON with the columns {shown}{more}.\n"
    yield "```bash"
    yield f"orchestrator predict {model} new_rows.csv -o answers.csv"
    yield f"orchestrator explain {model} new_rows.csv --rows 1"
    yield f"orchestrator deploy {model} --port 8000"
    yield "curl localhost:8000/predict -H 'Content-Type: text/csv' --data-binary @new_rows.csv"
    yield "```\n"
    yield "```python"
    if model.startswith("models:/"):
        yield "import mlflow"
        yield ""
        yield f'mlflow.pyfunc.load_model("{model}").predict(frame)'
    else:
        yield "from orchestrator import ModelBundle"
        yield ""
        yield f'ModelBundle.load("{model}").predict(frame)'
    yield "```\n"


def _name(text: Any) -> str:  # noqa: ANN401
    """A name as it can stand between backticks, in a line."""
    return " ".join(str(text).replace("`", "'").split())
