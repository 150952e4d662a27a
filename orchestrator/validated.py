"""The base of what users can ask for: validated options, loaded from and saved as YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.columns.wish import ColumnWish
from orchestrator.errors import ConfigError, did_you_mean
from orchestrator.yaml_lines import Place, YamlDocument

# what pydantic calls an entry that there is not, of a model and of a dataclass
UNKNOWN_OF_WISH = "unexpected_keyword_argument"
UNKNOWN = ("extra_forbidden", UNKNOWN_OF_WISH)
ENTRIES = "must have entries of its own, as in `name: value`"
# what an entry must be, by pydantic's name of the mistake, in the words of the options of commands
WANTED = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": ENTRIES,
    "mapping_type": ENTRIES,
    "model_type": ENTRIES,
    "dataclass_type": ENTRIES,
    "literal_error": "must be {expected}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
}


class Validated(BaseModel):
    """Options, each checked, of which none can be misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def create(cls, **values: object) -> Self:
        """A validated configuration; values that are None count as not given.

        Raises:
            ConfigError: the first thing that is wrong, by name.
        """
        try:
            return cls(**{name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            place, message = _first_problem(cls, error)
            raise ConfigError(f"{'.'.join(map(str, place))}: {message}" if place else message) from None

    @classmethod
    def load(cls, path: Path, options: Mapping[str, object] | None = None) -> Self:
        """Reads YAML.

        Args:
            path: of the file.
            options: of the command line, which count more than what the file says.

        Raises:
            ConfigError: the file is missing, not YAML, or has an invalid entry, with its line; or an option is invalid.
        """
        document = YamlDocument(path)
        given = {name: value for name, value in (options or {}).items() if value is not None}
        try:
            return cls(**_merged({str(name): value for name, value in document.content.items()}, given))
        except ValidationError as error:
            place, message = _first_problem(cls, error)
            if _leads_to(given, place):
                raise ConfigError(f"--{str(place[-1]).replace('_', '-')}: {message}") from None
            raise document.error(place, message) from None

    def save(self, path: Path) -> None:
        """Writes YAML that `load` reads."""
        path.write_text(yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False))


def _merged(content: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, with what was given in its place, also inside of groups of entries."""
    merged = dict(content)
    for name, value in given.items():
        inner = content.get(name)
        groups = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = _merged(dict(content[name]), value) if groups else value
    return merged


def _leads_to(given: object, place: Place) -> bool:
    for part in place:
        if not isinstance(given, Mapping):
            return True
        if part not in given:
            return False
        given = given[part]
    return bool(place)


def _first_problem(model: type[BaseModel], error: ValidationError) -> tuple[Place, str]:
    """Where the first entry is that pydantic refused, and what is wrong with it."""
    # an entry that is misspelt is also missing
    problem = max(error.errors(), key=lambda item: item["type"] in UNKNOWN)
    place = tuple(problem["loc"])
    if problem["type"] == UNKNOWN_OF_WISH:
        return place, problem_sentence(problem, [item.name for item in fields(ColumnWish)])
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    field = model.model_fields.get(str(place[-1])) if place else None
    choices = () if field is None else _choices(field.annotation)
    return place, problem_sentence(problem, model.model_fields, choices)


def _choices(annotation: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(
        choice for inner in (annotation, *get_args(annotation)) for choice in get_args(inner) if isinstance(choice, str)
    )


def problem_sentence(problem: Any, names: Iterable[str], choices: Iterable[str] = ()) -> str:  # noqa: ANN401
    """What is wrong with an entry, and what may have been meant.

    Args:
        problem: an error of pydantic.
        names: of the entries that there are at this place.
        choices: that this entry has.
    """
    if problem["type"] in UNKNOWN:
        name = str(problem["loc"][-1])
        return f"there is no such entry here as '{name}'{did_you_mean(name, names)}"
    if problem["type"] == "missing":
        return f"the entry '{problem['loc'][-1]}' is missing"
    value = problem["input"]
    wanted = WANTED.get(problem["type"])
    if wanted is None:
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"{message[0].lower()}{message[1:]}{did_you_mean(str(value), choices)}"
    shown = f", not {value!r}" if isinstance(value, str | int | float) else ""
    return f"{wanted.format(**problem.get('ctx', {}))}{shown}{did_you_mean(str(value), choices)}"
