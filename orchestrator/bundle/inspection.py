"""What a model is, said from the files of its bundle: without its network, so without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.bundle.content import BundleContent, read_content
from orchestrator.bundle.files import read_folder
from orchestrator.columns.notes import Note
from orchestrator.columns.wish import ColumnWish
from orchestrator.data.inspection import written_as
from orchestrator.features import CategoricalFeature, Fitted, NumericFeature, TextFeature
from orchestrator.tasks import Target
from orchestrator.units import show_number


@dataclass(frozen=True)
class ModelColumn:
    """A column that a model reads.

    Attributes:
        name: as in the header.
        kind: how it is read.
        written: how its cells are written, if not plainly.
        encoded: what becomes of its values, in words.
    """

    name: str
    kind: str
    written: str
    encoded: str


@dataclass(frozen=True, kw_only=True)
class ModelInspection:
    """What a model is.

    Attributes:
        origin: as the user named it.
        columns: that it reads.
        target: what it predicts.
        metrics: how good it is, on which data.
        notes: what was guessed about that.
        wishes: that say the same of other data.
    """

    origin: str
    columns: tuple[ModelColumn, ...]
    target: Target
    metrics: Mapping[str, Any]
    notes: tuple[Note, ...]
    wishes: Mapping[str, ColumnWish]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "model": self.origin,
            "columns": [asdict(column) for column in self.columns],
            "target": self.target.to_json(),
            "metrics": dict(self.metrics),
            "notes": [note.to_json() for note in self.notes],
        }


def inspect_bundle(folder: Path, origin: str) -> ModelInspection:
    """Reads all of a bundle but its network.

    Raises:
        BundleError: see `read_folder` and `read_content`.
    """
    content = read_content(read_folder(folder), folder)
    columns = content.schema.columns
    return ModelInspection(
        origin=origin,
        columns=tuple(
            ModelColumn(column.name, column.kind.value, written_as(column), _encoded(column.name, content))
            for column in columns
        ),
        target=content.schema.target,
        metrics=content.metrics,
        notes=content.notes,
        wishes={column.name: ColumnWish(kind=column.kind.value) for column in columns},
    )


def _encoded(name: str, content: BundleContent) -> str:
    """What was fitted of a column: the rule by which `predict` encodes its values."""
    encoder = content.encoder
    fitted: tuple[Fitted, ...] = (*encoder.numeric, *encoder.categorical, *encoder.text)
    words = [_feature(feature) for feature in fitted if feature.column == name]
    words += ["mean of the target for each" for item in encoder.statistics if item.column == name]
    return "; ".join(words) or "says nothing"


def _feature(feature: Fitted) -> str:
    match feature:
        case NumericFeature(part=part, since=since, median=median, mean=mean, std=std, indicator=indicator):
            mark = " and marked" if indicator else ""
            what = f"{part} since '{since}': " if since else f"{part}: " if part else ""
            scaled = f"mean {show_number(mean)}, deviation {show_number(std)}"
            return f"{what}{scaled}, missing as {show_number(median)}{mark}"
        case CategoricalFeature(categories=categories, shared=shared):
            others = "share one code" if shared == 1 else f"share {shared:,} codes" if shared else "as unknown"
            return f"{len(categories):,} categories, others {others}"
        case TextFeature(buckets=buckets, words_only=words_only):
            return f"{'words' if words_only else 'tokens'} of {buckets} buckets"
