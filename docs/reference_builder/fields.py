"""Tables of the fields of classes: how each is written, its default and what it means."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.networks.settings import MlpSettings
from orchestrator.training.spec import TrialSpec
from reference_builder.docstrings import merged, table, words_of
from reference_builder.forms import default_of, form_of, types_of

# docstrings say "see `NAME`" where another class has the words
ELSEWHERE = {owner.__name__: owner for owner in (FeaturesWish, RowsWish, MlpSettings, TrialSpec)}
REFERENCE = re.compile(r"see `(\w+)`\.?$")


def fields_table(owner: type[Any]) -> str:
    """A Markdown table of all fields of a pydantic model or dataclass.

    Raises:
        UndocumentedError: the docstring does not say what one of them is.
    """
    defaults, annotations = _defaults(owner), types_of(owner)
    rows = [
        (f"`{name}`", form_of(annotations[name]), default_of(default), _words(owner, name).removesuffix("."))
        for name, default in defaults.items()
    ]
    return table(("field", "what is written", "default", ""), merged(rows))


def _words(owner: type[Any], name: str) -> str:
    words = words_of(owner, "Attributes", [name])[name]
    found = REFERENCE.search(words)
    other = ELSEWHERE.get(found[1]) if found else None
    return _words(other, name) if other is not None and name in _defaults(other) else words


def _defaults(owner: type[Any]) -> dict[str, object]:
    """The fields by name, with their defaults; None where there is none."""
    if issubclass(owner, BaseModel):
        return {
            name: None if field.default is PydanticUndefined else field.default
            for name, field in owner.model_fields.items()
        }
    return {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(owner)
    }
