"""What the JSON files of a bundle say, as checked types; without the network, so without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from orchestrator.bundle.files import (
    BACKGROUND_FILE,
    CARD_FILE,
    DISTRIBUTION_FILE,
    LIMITS,
    NOTES_FILE,
    parse_card,
    parse_json,
    read_file,
    render_card,
    render_json,
)
from orchestrator.bundle.notes import notes_document, read_notes
from orchestrator.columns.date_notation import DATETIME_FORMATS
from orchestrator.columns.notes import Note
from orchestrator.data import Background, Distribution, FeatureEncoder, Schema
from orchestrator.errors import BundleError
from orchestrator.features import KINDS, Column, Fitted
from orchestrator.inputs import CATEGORICAL, NUMERIC, InputSpec
from orchestrator.tasks import TargetEncoder

T = TypeVar("T")
# 1 had no names of inputs: its networks take these
FORMAT, FORMATS = 2, (1, 2)
INPUTS_OF_FORMAT_1 = (NUMERIC, CATEGORICAL)
SCHEMA_FILE = "schema.json"
MAX_BUCKETS = 2**22
DAMAGES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
# numbers, texts and lists must be what they are said to be: dataclasses themselves take anything
STRICT = ConfigDict(strict=True, revalidate_instances="always", allow_inf_nan=False, arbitrary_types_allowed=True)


@dataclass(frozen=True, kw_only=True)
class BundleContent:
    """A bundle without its network, see `ModelBundle`."""

    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    example: Mapping[str, Any]
    inputs: tuple[str, ...]
    distribution: Distribution | None
    notes: tuple[Note, ...] = ()
    background: Background | None = None
    card: str = ""

    def render(self) -> dict[str, bytes]:
        """All files but the network by name, the inverse of `read_content`.

        Raises:
            BundleError: a file would be larger than may be read.
        """
        encoder = {
            "features": self.encoder.to_json(),
            "target": self.target_encoder.to_json(),
            "inputs": list(self.inputs),
            **({"refuses_truth": True} if self.encoder.refuses_truth else {}),
        }
        contents: dict[str, Mapping[str, Any]] = {
            "schema.json": {"format": FORMAT, **self.schema.to_json()},
            "encoder.json": encoder,
            "metrics.json": self.metrics,
            "example.json": self.example,
        }
        if self.distribution is not None:
            contents[DISTRIBUTION_FILE] = self.distribution.to_json()
        if self.notes:
            contents[NOTES_FILE] = notes_document(self.notes)
        if self.background is not None:
            contents[BACKGROUND_FILE] = self.background.to_json()
        files = {name: render_json(content, name) for name, content in contents.items()}
        return files | {CARD_FILE: render_card(self.card)} if self.card else files


def read_content(files: Mapping[str, bytes], folder: Path) -> BundleContent:
    """Reads the JSON files of a bundle.

    Args:
        files: as `read_folder` gives them.
        folder: named in the sentence of an error.

    Raises:
        BundleError: a file is not JSON, of another format, or does not say what such a file has to.
    """
    documents = {name: parse_json(data, f"{folder / name}") for name, data in files.items() if name.endswith(".json")}
    schema = read_schema(documents[SCHEMA_FILE], f"{folder / SCHEMA_FILE}")
    distribution = background = None
    name = "encoder.json"
    try:
        features = FeatureEncoder.from_json(documents[name]["features"])
        refuses_truth = documents[name].get("refuses_truth", False)
        encoder = _checked(FeatureEncoder, replace(features, refuses_truth=refuses_truth))
        target_encoder = _checked(TargetEncoder, TargetEncoder.from_json(documents[name]["target"]))
        _check_encoder(schema, encoder, target_encoder)
        inputs = _read_inputs(documents, encoder)
        name = "example.json"
        _checked(dict[str, list[dict[str, Any]]], documents[name])
        name = DISTRIBUTION_FILE
        if name in documents:
            distribution = _distribution(documents[name], encoder)
        name = BACKGROUND_FILE
        if name in documents:
            background = _background(documents[name], schema)
    except DAMAGES as error:
        raise BundleError(f"{folder / name}: damaged ({_reason(error)}); it was not loaded") from None
    return BundleContent(
        schema=schema,
        encoder=encoder,
        target_encoder=target_encoder,
        metrics=documents["metrics.json"],
        example=documents["example.json"],
        inputs=inputs,
        distribution=distribution,
        notes=read_notes(documents[NOTES_FILE], f"{folder / NOTES_FILE}") if NOTES_FILE in documents else (),
        background=background,
        card=parse_card(files[CARD_FILE], f"{folder / CARD_FILE}") if CARD_FILE in files else "",
    )


def read_schema(document: Mapping[str, Any], where: str) -> Schema:
    """The schema in schema.json.

    Raises:
        BundleError: it is of another format or damaged; the sentence begins with `where`.
    """
    found = document.get("format")
    if found not in FORMATS or isinstance(found, bool):
        raise BundleError(f"{where}: the bundle's format is {str(found)[:20]!r}, this version reads 1 to {FORMAT}")
    try:
        schema = Schema.from_json(dict(document))
        _checked(tuple[Column, ...], schema.columns)
        for notation in (*(column.notation for column in schema.columns), schema.target.notation):
            if notation is not None:
                _checked(type(notation), notation)
        _check_schema(schema)
    except DAMAGES as error:
        raise BundleError(f"{where}: damaged ({_reason(error)}); it was not loaded") from None
    return schema


def schema_in(folder: Path) -> Schema:
    """The schema of a bundle of which nothing else is needed, so that the rest of it may be damaged.

    Raises:
        BundleError: see `read_file` and `read_schema`.
    """
    content = read_file(folder / SCHEMA_FILE, LIMITS[SCHEMA_FILE])
    return read_schema(parse_json(content, SCHEMA_FILE), SCHEMA_FILE)


def _checked(kind: type[T], value: T) -> T:
    # a dataclass takes over the configuration of what is around it only
    TypeAdapter(tuple[kind], config=STRICT).validate_python((value,))  # type: ignore[valid-type]
    return value


def _distribution(document: dict[str, Any], encoder: FeatureEncoder) -> Distribution:
    distribution = _checked(Distribution, Distribution.from_json(document))
    if not distribution.fits(encoder):
        raise ValueError("it is about other columns than encoder.json")
    return distribution


def _background(document: dict[str, Any], schema: Schema) -> Background:
    background = _checked(Background, Background.from_json(document))
    if list(background.columns) != [column.name for column in schema.columns]:
        raise ValueError("it has other columns than schema.json")
    return background


def specs_of(encoder: FeatureEncoder, names: Sequence[str]) -> tuple[InputSpec, ...]:
    """What the inputs of these names are like.

    Raises:
        ValueError: the encoder does not make one of them.
    """
    known = {spec.name: spec for spec in encoder.inputs}
    if not names or len(set(names)) != len(names) or not known.keys() >= set(names):
        raise ValueError(f"inputs: the network can take {', '.join(known)}, each once")
    return tuple(known[name] for name in names)


def _read_inputs(documents: Mapping[str, Mapping[str, Any]], encoder: FeatureEncoder) -> tuple[str, ...]:
    if documents[SCHEMA_FILE]["format"] == 1:
        return INPUTS_OF_FORMAT_1
    names: tuple[str, ...] = _checked(tuple[str, ...], tuple(documents["encoder.json"]["inputs"]))
    specs_of(encoder, names)
    return names


def _check_schema(schema: Schema) -> None:
    names = [column.name for column in schema.columns]
    if not names or len(set(names)) != len(names):
        raise ValueError("each column must be there once")
    if not {column.datetime_format for column in schema.columns} <= {None, *DATETIME_FORMATS}:
        raise ValueError("a form of dates is not known")


def _check_encoder(schema: Schema, encoder: FeatureEncoder, target: TargetEncoder) -> None:
    kinds = {column.name: KINDS[column.kind] for column in schema.columns}
    fitted: tuple[Fitted, ...] = (*encoder.numeric, *encoder.categorical, *encoder.text)
    for feature in fitted:
        if not kinds[feature.column].makes(feature):
            raise ValueError(f"column '{feature.column}' is of another kind in schema.json")
    if any(item.buckets != encoder.text[0].buckets or not 0 < item.buckets <= MAX_BUCKETS for item in encoder.text):
        raise ValueError("all texts must have one table, of a possible size")
    _check_statistics(encoder)
    for item in encoder.numeric:
        if item.since is not None and not kinds[item.since].makes(item):
            raise ValueError(f"there are days since '{item.since}', which is no column of dates in schema.json")
    if any(not 0 <= item.shared <= MAX_BUCKETS for item in encoder.categorical):
        raise ValueError("a number of shared codes is not possible")
    if min([target.std, *(feature.std for feature in encoder.numeric)]) <= 0:
        raise ValueError("a standard deviation must be positive")
    if target.bounds is not None and (schema.target.classes or target.bounds[0] > target.bounds[1]):
        raise ValueError("the bounds of the target must be numbers, the smaller one first")
    if not 0 < target.threshold < 1:
        raise ValueError("the threshold must be between 0 and 1")


def _check_statistics(encoder: FeatureEncoder) -> None:
    categories = {item.column: item for item in encoder.categorical}
    for item in encoder.statistics:
        if item.column not in categories or len(item.means) != categories[item.column].cardinality:
            raise ValueError(f"the target statistics of '{item.column}' are not about its categories")
        if not item.mean or {len(row) for row in (*item.means, item.std)} != {len(item.mean)} or min(item.std) <= 0:
            raise ValueError(f"the target statistics of '{item.column}' have other numbers than they say")


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)[:200]
