"""The two ends of a search space: the settings with which a network is smallest and largest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ArchitectureError
from orchestrator.search.parameters import Parameter, Scalar
from orchestrator.search.space import Entry, SearchSpace
from orchestrator.training import SHARED_PARAMETERS, TrialSpec

Settings = dict[str, Any]
Measure = Callable[[Settings], int]
# so many combinations are tried one by one; of more, one setting is changed at a time
MAX_COMBINATIONS = 512


@dataclass(frozen=True)
class Extreme:
    """Settings of an architecture, and what was measured with them."""

    settings: Settings
    size: int


def find_extremes(space: SearchSpace, architecture: str, measure: Measure) -> tuple[Extreme, Extreme]:
    """The settings of one architecture with the smallest and the largest measure.

    Of a number only its lowest and highest value are tried, of a category every choice. Where that makes too many
    combinations, the search starts with the first and the last values and changes one setting at a time as long as it
    gets better; with settings that work against each other this may miss the very end.

    Args:
        space: to search.
        architecture: in it.
        measure: of a network with these settings, such as its number of parameters.

    Raises:
        ArchitectureError: no network can be built with any of the settings.
    """
    entries = {name: entry for name, (_, entry) in space.entries(architecture).items() if name not in SHARED_PARAMETERS}
    known: dict[str, int | None] = {}

    def size(settings: Settings) -> int | None:
        key = repr(sorted(settings.items()))
        if key not in known:
            try:
                known[key] = measure(settings)
            except ArchitectureError:
                known[key] = None
        return known[key]

    combinations = 1
    for entry in entries.values():
        combinations *= len(_ends(entry))
    if combinations <= MAX_COMBINATIONS:
        found = [Extreme(settings, measured) for settings in _all({}, entries) if (measured := size(settings))]
    else:
        found = [
            *_climb(entries, size, 1, position=-1),
            *_climb(entries, size, -1, position=0),
        ]
    if not found:
        # says why
        measure(next(_all({}, entries)))
        raise ArchitectureError(f"{architecture}: no network of the search space can be built")
    return min(found, key=lambda item: item.size), max(found, key=lambda item: item.size)


def batch_sizes(space: SearchSpace, architecture: str) -> tuple[int, int]:
    """The smallest and the largest batch size that trials of the architecture can have."""
    return ends_of(space, architecture, "batch_size", TrialSpec.batch_size)


def ends_of(space: SearchSpace, architecture: str, name: str, default: int) -> tuple[int, int]:
    """The smallest and the largest value that an entry can have in trials of the architecture."""
    _, entry = space.entries(architecture).get(name, ("", default))
    ends = _ends(entry)
    return int(min(ends)), int(max(ends))


def _ends(entry: Entry) -> list[Any]:
    if isinstance(entry, Scalar):
        return [entry]
    if entry.type == "categorical":
        return list(entry.choices)
    return [entry.low] if entry.low == entry.high else [entry.low, entry.high]


def _applies(entry: Entry, settings: Mapping[str, Any]) -> bool:
    if isinstance(entry, Scalar):
        return True
    # a condition on something that is no setting, such as the optimizer, can be met
    conditions: Parameter = entry.model_copy(
        update={"when": {name: wanted for name, wanted in entry.when.items() if name not in SHARED_PARAMETERS}}
    )
    return conditions.applies(dict(settings))


def _all(settings: Settings, entries: Mapping[str, Entry]) -> Iterator[Settings]:
    if not entries:
        yield settings
        return
    name, *others = entries
    rest = {other: entries[other] for other in others}
    if not _applies(entries[name], settings):
        yield from _all(settings, rest)
        return
    for value in _ends(entries[name]):
        yield from _all({**settings, name: value}, rest)


def _climb(
    entries: Mapping[str, Entry], size: Callable[[Settings], int | None], sign: int, *, position: int
) -> Iterator[Extreme]:
    chosen = {name: _ends(entry)[position] for name, entry in entries.items()}

    def measured(values: Settings) -> tuple[Settings, int | None]:
        settings: Settings = {}
        for name, entry in entries.items():
            if _applies(entry, settings):
                settings[name] = values[name]
        return settings, size(settings)

    settings, best = measured(chosen)
    better = True
    while better:
        better = False
        for name, entry in entries.items():
            for value in _ends(entry):
                tried, found = measured({**chosen, name: value})
                if found is not None and (best is None or sign * found > sign * best):
                    chosen, settings, best, better = {**chosen, name: value}, tried, found, True
    if best is not None:
        yield Extreme(settings, best)
