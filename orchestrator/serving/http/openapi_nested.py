"""What the OpenAPI document says of columns of lists and records: they are taken whole, and as what they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.data.nested import Nested, Shape
from orchestrator.data.schema import Schema
from orchestrator.features import JsonSchema

Values = Mapping[str, JsonSchema]


def forms_of(schema: Schema, values: Values) -> list[Values]:
    """The columns that a row has, in each of the forms that are taken.

    Args:
        schema: of the model.
        values: of its columns, by name.

    Returns:
        With lists and records as the training data had them, then with the columns that these become; one form if
        nothing is nested.
    """
    if not schema.nested:
        return [values]
    return [whole_values(schema.nested, values), values]


def whole_values(nested: Sequence[Nested], values: Values) -> dict[str, JsonSchema]:
    """The values of a row by column, where some columns are lists or records."""
    origins = {name: each for each in nested for name in each.names}
    found: dict[str, JsonSchema] = {}
    for name, value in values.items():
        each = origins.get(name)
        if each is None:
            found[name] = value
        else:
            found[each.column] = _shaped(each.column, each.shape, values)
    return found


def either(forms: Sequence[JsonSchema]) -> JsonSchema:
    """What has one of some forms."""
    return forms[0] if len(forms) == 1 else {"anyOf": list(forms)}


def _shaped(name: str, shape: Shape, values: Values) -> JsonSchema:
    """A cell of a shape; what is missing is null, and parts of which the model makes nothing may be anything."""
    if shape.is_plain:
        return values.get(name, {})
    parts = {part: _shaped(f"{name}.{part}", inner, values) for part, inner in shape.parts}
    if shape.item is None:
        return {"type": ["object", "null"], "properties": parts}
    size = len(parts)
    return {"type": ["array", "null"], "prefixItems": list(parts.values()), "minItems": size, "maxItems": size}
