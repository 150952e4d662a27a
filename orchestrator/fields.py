"""The types of a configuration's fields: how what a user writes is read, and how it is written again."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.features_wish import columns_or_none
from orchestrator.columns.wish import ColumnWish, all_wishes, plain_columns, plain_wish
from orchestrator.errors import ConfigError, UsageError
from orchestrator.tasks.registry import plain_task
from orchestrator.units import (
    format_duration,
    format_keep,
    format_latency,
    parse_duration,
    parse_keep,
    parse_latency,
    parse_size,
)

Keep = Annotated[timedelta | int, BeforeValidator(parse_keep), PlainSerializer(format_keep, return_type=str)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Latency = Annotated[timedelta, BeforeValidator(parse_latency), PlainSerializer(format_latency, return_type=str)]
Size = Annotated[int, BeforeValidator(parse_size)]
# files are named after it, and other things come behind it
MOST_NAME_BYTES = 150
LEAST_MEMBERS = 2


def checked_name(name: str) -> str:
    """The name, if something can be called that.

    Raises:
        ValueError: nothing can.
    """
    if len(name.encode()) > MOST_NAME_BYTES:
        raise ValueError(f"is longer than {MOST_NAME_BYTES} bytes; give a shorter one with --name")
    if not name or name[0].isspace() or any(character in "/:@" or not character.isprintable() for character in name):
        what = "it is empty, begins with a space, or holds '/', ':', '@' or what cannot be shown"
        raise ValueError(f"{name!r} cannot be a name: {what}")
    return name


Name = Annotated[str, AfterValidator(checked_name)]


def _label(label: Any) -> Any:  # noqa: ANN401
    if isinstance(label, str | bool) or label is None or not isinstance(label, Hashable):
        return label
    # it takes pandas, which an endpoint's configuration does not need
    from orchestrator.columns.names import name_of

    return name_of(label)


LabelField = Annotated[str, BeforeValidator(_label)]


def _task(wish: Any) -> str | dict[str, Any]:  # noqa: ANN401
    try:
        return plain_task(wish)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _wish(wish: Any) -> Any:  # noqa: ANN401
    # it takes pandas, which an endpoint's configuration does not need
    from orchestrator.features import ColumnKind

    return plain_wish(wish, [kind.value for kind in ColumnKind])


def _names(columns: Any) -> Any:  # noqa: ANN401
    return {_label(name): wish for name, wish in columns.items()} if isinstance(columns, Mapping) else columns


def _consistent_wishes(columns: dict[str, ColumnWish], others: ValidationInfo) -> dict[str, ColumnWish]:
    try:
        all_wishes(columns, others.data.get("categorical", ()), others.data.get("ignore", ()))
    except UsageError as error:
        raise ValueError(str(error)) from None
    return columns


ColumnsField = Annotated[
    dict[str, Annotated[ColumnWish, BeforeValidator(_wish), PlainSerializer(ColumnWish.to_json)]],
    BeforeValidator(_names),
    AfterValidator(_consistent_wishes),
    # where nothing is wished, nothing is written
    Field(default_factory=dict, exclude_if=operator.not_, validate_default=True),
]
CsvField = Annotated[
    CsvWish,
    PlainSerializer(CsvWish.to_json),
    Field(default=PLAIN_CSV, exclude_if=lambda wish: wish == PLAIN_CSV),
]
PathField = Annotated[str, BeforeValidator(lambda path: str(path) if isinstance(path, Path) else path)]
_TEXT_OF_NUMBER = BeforeValidator(
    lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
)
FoldsField = Annotated[str, _TEXT_OF_NUMBER]
FewRowsField = Annotated[str, _TEXT_OF_NUMBER]
SweepsField = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda sweeps: (sweeps,) if isinstance(sweeps, str) else sweeps),
    Field(default=(), exclude_if=operator.not_),
]
ColumnNamesField = Annotated[tuple[LabelField, ...], BeforeValidator(plain_columns)]
AveragedField = Annotated[tuple[LabelField, ...], BeforeValidator(columns_or_none)]


def _ensemble(wish: Any) -> Any:  # noqa: ANN401
    text = str(wish).strip().lower()
    if text in ("auto", "none"):
        return text
    if isinstance(wish, bool) or not text.isdecimal() or int(text) < LEAST_MEMBERS:
        raise ValueError(f"give auto, none, or a number of trials, {LEAST_MEMBERS} at least, but not {wish!r}")
    return int(text)


EnsembleField = Annotated[int | Literal["auto", "none"], BeforeValidator(_ensemble)]
TaskField = Annotated[str | dict[str, Any], BeforeValidator(_task)]
