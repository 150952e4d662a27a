"""The parsed JSON of an exported graph as the dataclasses that torch's deserializer takes."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any

Reader = Callable[[Any], Any]


def serialized_program(graph: dict[str, object]) -> Any:  # noqa: ANN401
    """A program as torch's deserializer takes it.

    torch's own function finds out the types of the fields anew for each of the many thousand parts that an ensemble
    has, which took almost half of the time of loading; here they are found out once.

    Args:
        graph: of models/model.json, checked.

    Raises:
        TypeError: a part of it is of another kind than its place says; other errors where parts are missing.
    """
    from torch._export.serde import schema

    return _reader(schema.ExportedProgram)(graph)


@functools.cache
def _reader(kind: Any) -> Reader:  # noqa: ANN401
    """What makes a value of a type of torch's schema from parsed JSON."""
    from torch._export.serde.union import _Union

    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _reader(arguments[0])
    if origin in (typing.Union, types.UnionType):
        # of one type, or None
        (of,) = (argument for argument in arguments if argument is not type(None))
        return lambda data: None if data is None else _reader(of)(data)
    if origin is list:
        return lambda data: list(map(_reader(arguments[0]), _checked(data, list)))
    if origin is dict:
        return lambda data: {key: _reader(arguments[1])(value) for key, value in _checked(data, dict).items()}
    if isinstance(kind, type) and issubclass(kind, _Union):
        return _union(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    # infinity and what is no number are strings
    return float if kind is float else _plain


def _union(kind: Any) -> Reader:  # noqa: ANN401
    fields = _types(kind)

    def read(data: Any) -> Any:  # noqa: ANN401
        ((name, value),) = _checked(data, dict).items()
        return kind.create(**{name: _reader(fields[name])(value)})

    return read


def _dataclass(kind: Any) -> Reader:  # noqa: ANN401
    fields = _types(kind)

    def read(data: Any) -> Any:  # noqa: ANN401
        given = _checked(data, dict)
        # what a later version has written besides is left out, as torch does
        return kind(**{name: _reader(of)(given[name]) for name, of in fields.items() if name in given})

    return read


def _plain(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, list | dict):
        raise TypeError("a number or a text is expected")
    return data


def _checked(data: Any, kind: type) -> Any:  # noqa: ANN401
    if not isinstance(data, kind):
        raise TypeError(f"a {kind.__name__} is expected")
    return data


def _types(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    from torch._export.serde import schema

    hints = typing.get_type_hints(kind, globalns=vars(schema))
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
