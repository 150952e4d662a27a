"""SearchSpace: which configurations there are. Read from YAML; `search_spaces/` has documented examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PrivateAttr, ValidationError

from orchestrator.config import SweepConfig
from orchestrator.errors import OrchestratorError, SearchSpaceError, UsageError, did_you_mean
from orchestrator.networks.settings import (
    ARCHITECTURES,
    TRAINING,
    is_custom,
    known_architecture,
    parse_settings,
    setting_names,
)
from orchestrator.search.files import space_path
from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter, Parameter, Scalar
from orchestrator.search.sizing import DataSize, SizingError, all_sizes, chosen, resolved
from orchestrator.training.spec import SHARED_PARAMETERS, TrialSpec
from orchestrator.validated import problem_sentence
from orchestrator.yaml_lines import Place, YamlDocument

MAX_GRID = 100_000
# more are as good as endless
MAX_POINTS = 10_000
Entry = Parameter | Scalar
KINDS: dict[str, type[BaseModel]] = {"float": FloatParameter, "int": IntParameter, "categorical": CategoricalParameter}


class SearchSpace(BaseModel):
    """Parameters, some of them only for one architecture.

    Attributes:
        description: one line for people.
        epochs, patience: of every trial, unless the sweep says otherwise.
        text_epochs: so many at most where rows have texts.
        parameters: for every architecture: entries of `TrialSpec` and settings that architectures share.
            A plain value is fixed.
        architectures: by name, the settings to search.
        workers_per_trial: by architecture, how many workers train one network together; the sweep's own number for
            those that are not named.
        start_points: configurations to try first; what one leaves out is drawn.
        milliseconds_per_row: by architecture, of one core for each row that an epoch trains on, about. What a time
            budget has room for follows from it; nothing does of architectures that are not named.
        most_rows: by architecture, the training rows up to which it is tried, unless it is the only one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=0, ge=0)
    text_epochs: int | None = Field(default=None, ge=1)
    parameters: dict[str, Entry] = Field(default_factory=dict)
    architectures: dict[str, dict[str, Entry]] = Field(min_length=1)
    workers_per_trial: dict[str, int] = Field(default_factory=dict)
    start_points: list[dict[str, Scalar]] = Field(default_factory=list)
    milliseconds_per_row: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    most_rows: dict[str, int] = Field(default_factory=dict)
    # the content of the file, if entries in it follow the size of the data
    _written: dict[str, Any] | None = PrivateAttr(default=None)

    _follows: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def follows(self) -> Mapping[str, Any]:
        """Of a space that `for_size` made: the entries of trials that follow the size of the data, as they are."""
        return self._follows

    def that_follows(self, content: dict[str, Any]) -> SearchSpace:
        """This space, the one for the smallest data, with the content of the file that has others for larger data."""
        space = self.model_copy()
        space._written = content
        return space

    def for_size(self, size: DataSize) -> SearchSpace:
        """The space for data of this size."""
        if self._written is None:
            return self._fit_for(size)
        found = SearchSpace.model_validate(resolved(self._written, size))
        found._follows = {
            name.removeprefix("parameters.").removeprefix("architectures."): value
            for name, value in chosen(self._written, size)
            # no trial has it
            if not name.startswith("milliseconds_per_row")
        }
        if set(found.architectures) == set(self.architectures):
            return found._fit_for(size)
        (architecture,) = self.architectures
        return found.only(architecture)

    def _fit_for(self, size: DataSize) -> SearchSpace:
        """The space without architectures that are not for so many rows; the last one stays."""
        space = self
        for architecture in [name for name, most in self.most_rows.items() if size.rows > most]:
            if architecture in space.architectures and len(space.architectures) > 1:
                kept = {name: value for name, value in space._follows.items() if not name.startswith(architecture)}
                space = space.without(architecture)
                space._follows = kept
        return space

    def only(self, architecture: str) -> SearchSpace:
        """The part of the space with one architecture; settings that the space does not have keep their defaults."""
        points = [point for point in self.start_points if point.get("architecture", architecture) == architecture]
        return self.model_copy(
            update={"architectures": {architecture: self.architectures.get(architecture, {})}, "start_points": points}
        )

    def without(self, architecture: str) -> SearchSpace:
        """The space without one of its architectures."""
        points = [point for point in self.start_points if point.get("architecture") != architecture]
        others = {name: settings for name, settings in self.architectures.items() if name != architecture}
        return self.model_copy(update={"architectures": others, "start_points": points})

    def quickest_first(self, milliseconds: Mapping[str, float]) -> SearchSpace:
        """The space with its start points in the order of what a row takes, as far as that is known of all."""
        costs = [milliseconds.get(str(point.get("architecture"))) for point in self.start_points]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            return self
        places = sorted(range(len(known)), key=known.__getitem__)
        return self.model_copy(update={"start_points": [self.start_points[place] for place in places]})

    def with_epochs(self, epochs: int) -> SearchSpace:
        """The space with other epochs of a trial."""
        space = self.model_copy(update={"epochs": epochs})
        if "epochs" in self._follows:
            space._follows = {**self._follows, "epochs": epochs}
        return space

    def entries(self, architecture: str) -> dict[str, tuple[str, Entry]]:
        """The parameters of one architecture in order: name -> (name unique in the whole space, entry)."""
        own = self.architectures[architecture]
        shared = {
            name: (name, entry)
            for name, entry in self.parameters.items()
            if name not in own and _is_parameter_of(architecture, name)
        }
        return shared | {name: (f"{architecture}.{name}", entry) for name, entry in own.items()}

    def qualify(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration under the names that are unique in the whole space, without what is fixed anyway."""
        qualified: dict[str, Any] = {}
        architectures = list(self.architectures)
        architecture = point.get("architecture", architectures[0])
        if len(architectures) > 1 and "architecture" in point:
            qualified["architecture"] = architecture
        for name, (unique, entry) in self.entries(architecture).items():
            if name in point and not isinstance(entry, Scalar):
                qualified[unique] = point[name]
        return qualified

    def may_train_with(self, name: str, value: Scalar) -> bool:
        """Whether a trial of some architecture may have this value of an entry that all trials have."""
        for architecture in self.architectures:
            _, entry = self.entries(architecture).get(name, ("", TRAINING.get(architecture, {}).get(name)))
            if value in (entry.choices if isinstance(entry, CategoricalParameter) else [entry]):
                return True
        return False

    def points(self) -> list[dict[str, Any]] | None:
        """All configurations that can be drawn; None if they are endless, or more than 10,000."""
        try:
            points = list(itertools.islice(self._expanded(_all_values), MAX_POINTS + 1))
        except _EndlessError:
            return None
        return points if len(points) <= MAX_POINTS else None

    def grid(self) -> list[dict[str, Any]]:
        """All configurations of the grid.

        Raises:
            SearchSpaceError: a parameter has no grid values, or there are more than 100,000 configurations.
        """
        points = list(itertools.islice(self._expanded(_grid_values), MAX_GRID + 1))
        if len(points) > MAX_GRID:
            raise SearchSpaceError(f"the grid has more than {MAX_GRID} configurations; use tpe or random")
        return points

    def _expanded(self, values_of: ValuesOf) -> Iterator[dict[str, Any]]:
        for architecture in self.architectures:
            entries = {name: entry for name, (_, entry) in self.entries(architecture).items()}
            yield from _expand({"architecture": architecture}, list(entries.items()), values_of)


ValuesOf = Callable[[str, Parameter], Iterable[Any]]


class _EndlessError(Exception):
    """A parameter has more values than can be counted."""


def _all_values(_name: str, entry: Parameter) -> Iterable[Any]:
    values = entry.values()
    if values is None:
        raise _EndlessError
    return values


def _grid_values(name: str, entry: Parameter) -> Iterable[Any]:
    values = entry.grid_values()
    if values is None:
        raise SearchSpaceError(
            f"{name} is continuous: say how many values a grid takes of it (`grid: 5` or `step`), "
            "or use the algorithm tpe or random"
        )
    return values


def _expand(point: dict[str, Any], entries: list[tuple[str, Entry]], values_of: ValuesOf) -> Iterator[dict[str, Any]]:
    if not entries:
        yield point
        return
    (name, entry), rest = entries[0], entries[1:]
    if isinstance(entry, Scalar):
        yield from _expand({**point, name: entry}, rest, values_of)
    elif not entry.applies(point):
        yield from _expand(point, rest, values_of)
    else:
        for value in values_of(name, entry):
            yield from _expand({**point, name: value}, rest, values_of)


def _is_parameter_of(architecture: str, name: str) -> bool:
    if name in SHARED_PARAMETERS or is_custom(architecture):
        return True
    return name in setting_names(architecture)


def load_space(name: str | Path) -> SearchSpace:
    """A search space by name (those that come with the package) or by path.

    Raises:
        SearchSpaceError: there is none, or the file is not valid; the message names file, line and key.
    """
    document = YamlDocument(space_path(name), SearchSpaceError)
    content = document.content
    try:
        # a mistake in what is for larger data is a mistake, too
        spaces = [_valid(document, resolved(content, size)) for size in all_sizes(content)]
    except SizingError as error:
        raise document.error(error.place, str(error)) from None
    return spaces[0] if len(spaces) == 1 else spaces[0].that_follows(content)


def _valid(document: YamlDocument, content: Mapping[str, Any]) -> SearchSpace:
    try:
        space = SearchSpace.model_validate(content)
    except ValidationError as error:
        raise _explain(document, error) from None
    _check(document, space)
    return space


def space_of(config: SweepConfig) -> SearchSpace:
    """The search space of a sweep, with the one architecture that was asked for, if one was.

    Raises:
        SearchSpaceError, ArchitectureError: see `load_space` and `known_architecture`.
    """
    space = load_space(config.space)
    if config.architecture is None:
        return space
    if not is_custom(config.architecture):
        known_architecture(config.architecture)
    return space.only(config.architecture)


def located(space: str | Path, place: Place, message: str) -> UsageError:
    """An error about an entry of a search space, with its line if the file is still there."""
    try:
        return YamlDocument(space_path(space), SearchSpaceError).error(place, message)
    except SearchSpaceError:
        return SearchSpaceError(f"search space {space}: {message}")


def _explain(document: YamlDocument, error: ValidationError) -> UsageError:
    # a union reports every alternative: the one that got furthest into the file is what was meant
    problems = [problem for problem in error.errors() if problem["type"] not in ("bool_type", "string_type")]
    # and a name that is misspelt is also missing
    problem = max(problems or error.errors(), key=lambda item: (len(item["loc"]), item["type"] == "extra_forbidden"))
    kinds = [KINDS[str(part)] for part in problem["loc"] if str(part) in KINDS]
    place: Place = tuple(part for part in problem["loc"] if str(part) not in (*KINDS, "bool", "str"))
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found", "model_attributes_type"):
        tag = problem["input"].get("type") if isinstance(problem["input"], dict) else None
        hint = did_you_mean(str(tag), KINDS) if tag is not None else ""
        message = "a parameter is a plain value or has `type: float`, `type: int` or `type: categorical`"
        return document.error(place, message + hint)
    return document.error(place, problem_sentence(problem, (kinds[-1] if kinds else SearchSpace).model_fields))


def _check(document: YamlDocument, space: SearchSpace) -> None:
    for key in ("milliseconds_per_row", "most_rows"):
        for architecture in getattr(space, key):
            if architecture not in space.architectures:
                hint = did_you_mean(architecture, space.architectures)
                raise document.error((key, architecture), f"'{architecture}' is not in this space{hint}")
    for name, entry in space.parameters.items():
        _check_entry(
            document, space, place=("parameters", name), architectures=list(space.architectures), name=name, entry=entry
        )
    for architecture, entries in space.architectures.items():
        if not is_custom(architecture) and architecture not in ARCHITECTURES:
            raise document.error(
                ("architectures", architecture),
                f"not a known architecture (known: {', '.join(ARCHITECTURES)}, or package.module:Class)"
                f"{did_you_mean(architecture, ARCHITECTURES)}",
            )
        for name, entry in entries.items():
            _check_entry(
                document,
                space,
                place=("architectures", architecture, name),
                architectures=[architecture],
                name=name,
                entry=entry,
            )
    for architecture, workers in space.workers_per_trial.items():
        place: Place = ("workers_per_trial", architecture)
        if architecture not in space.architectures:
            raise document.error(place, f"'{architecture}' is not in this space")
        if workers < 1:
            raise document.error(place, "at least one worker is needed")
    for index, point in enumerate(space.start_points):
        _check_start_point(document, space, index, point)


def _check_entry(
    document: YamlDocument, space: SearchSpace, *, place: Place, architectures: list[str], name: str, entry: Entry
) -> None:
    takers = [architecture for architecture in architectures if _is_parameter_of(architecture, name)]
    if not takers:
        known = sorted(SHARED_PARAMETERS)
        for architecture in architectures:
            known += setting_names(architecture)
        hint = did_you_mean(name, known)
        raise document.error(place, f"neither a training parameter nor a setting of {', '.join(architectures)}{hint}")
    if not isinstance(entry, Scalar):
        for other in entry.when:
            if not any(other == known for architecture in takers for known in space.entries(architecture)):
                raise document.error(
                    (*place, "when"), f"there is no parameter '{other}'{did_you_mean(other, _names(space, takers))}"
                )
    if isinstance(entry, Scalar):
        samples: list[Any] = [entry]
    else:
        samples = list(entry.choices) if entry.type == "categorical" else [entry.low, entry.high]
    for sample in samples:
        try:
            if name in SHARED_PARAMETERS:
                TrialSpec(architecture=takers[0], **{name: sample})
            elif not is_custom(takers[0]):
                parse_settings(takers[0], {name: sample})
        except OrchestratorError as error:
            raise document.error(place, str(error)) from None


def _names(space: SearchSpace, architectures: list[str]) -> set[str]:
    return {name for architecture in architectures for name in space.entries(architecture)}


def _check_start_point(document: YamlDocument, space: SearchSpace, index: int, point: Mapping[str, Any]) -> None:
    place: Place = ("start_points", index)
    architecture = point.get("architecture")
    if architecture is None and len(space.architectures) > 1:
        raise document.error(place, "say which architecture")
    if architecture is not None and architecture not in space.architectures:
        raise document.error((*place, "architecture"), f"'{architecture}' is not in this space")
    entries = space.entries(str(architecture or next(iter(space.architectures))))
    for name, value in point.items():
        if name == "architecture":
            continue
        if name not in entries:
            raise document.error(
                (*place, name), f"not a parameter of {architecture} in this space{did_you_mean(name, entries)}"
            )
        entry = entries[name][1]
        if isinstance(entry, Scalar):
            if entry != value:
                raise document.error((*place, name), f"{value!r} is not the value {entry!r} that the space fixes")
        elif not entry.contains(value):
            raise document.error((*place, name), f"{value!r} is outside of the parameter's range")
