"""The type of a field in words: what a user writes there."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from orchestrator import fields
from orchestrator.config import ResourceConfig
from orchestrator.search.parameters import Scalar
from orchestrator.search.space import Entry

# how a value is written whose type does not say it
FORMS: tuple[tuple[Any, str], ...] = (
    (fields.Duration, "a duration: `90s`, `10m`, `2h`"),
    (fields.Latency, "a duration: `2ms`"),
    (fields.Size, "a size: `500MB`, `20GB`"),
    (fields.Keep, "a duration or a size: `30d`, `10GB`"),
    (fields.EnsembleField, "`auto`, `none` or a number"),
    (fields.TaskField, "a name, or `{kind: NAME, OPTION: VALUE}`"),
    (fields.ColumnsField, "[fields](#columns) by column"),
    (fields.CsvField, "[fields](#csv)"),
    (fields.ColumnNamesField, "a list of columns"),
    (fields.SweepsField, "a list of names"),
    (fields.FewRowsField, "a number or a word"),
    (fields.PathField, "a path"),
    (ResourceConfig, "[fields](#resources)"),
    (Scalar, "a value"),
    (Scalar | list[Scalar], "a value or a list of values"),
    (Entry, "a value or a [parameter](#parameters)"),
)
PLAIN = {
    Any: "a value",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "`true` or `false`",
    Path: "a path",
}


def form_of(annotation: Any) -> str:  # noqa: ANN401
    """What is written for a value of this type."""
    for known, words in FORMS:
        if annotation == known:
            return words
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return form_of(inner[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(form_of(choice) for choice in inner if choice is not type(None)))
    if origin in (tuple, list):
        return f"a list of: {form_of(inner[0])}"
    if origin in (dict, Mapping):
        return f"by name: {form_of(inner[1])}"
    return f"[fields](#{annotation.__name__.lower()})"


def types_of(owner: type[Any]) -> dict[str, Any]:
    """The types of a class's fields, by name, with what is annotated."""
    return typing.get_type_hints(owner, include_extras=True)


def default_of(value: object) -> str:
    """A default as it is written in YAML."""
    if value is None or value in ((), "", []) or (isinstance(value, dict) and not value):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        from orchestrator.units import format_duration

        return f"`{format_duration(value)}`"
    if isinstance(value, float):
        return f"`{value:.4g}`"
    return f"`{value}`" if isinstance(value, str | int) else ""
