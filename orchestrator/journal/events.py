"""What can happen in a sweep. From these events alone its whole state is made, now and after a crash.

A new field needs a value in `from_line` for lines written before it, or sweeps of earlier versions count as damaged.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.training import EpochReport, TrialSpec
from orchestrator.training.usage import Usage


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a session expects of itself when it begins, for those who watch.

    Attributes:
        slots: trials at once.
        epochs: of a trial at most.
        rungs: epochs after which trials are compared.
        trial_epochs: of a trial on average, as the scheduler lets them run.
        epoch_seconds: of an epoch on average, None if the search space does not tell.
        time_budget: seconds of all sessions together, None without one.
    """

    slots: int
    epochs: int
    rungs: tuple[int, ...] = ()
    trial_epochs: float
    epoch_seconds: float | None = None
    time_budget: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Outlook:
        """The inverse of `asdict`; what a later version has added is left out."""
        known = {item.name: content[item.name] for item in fields(cls) if item.name in content}
        return cls(**{**known, "rungs": tuple(content.get("rungs", ()))})


@dataclass(frozen=True)
class Opened:
    """A driver takes up the sweep.

    Attributes:
        at: seconds since 1970, as in all events.
        trials: how many there shall be, None if that is open.
        outlook: what it expects, None in lines of before.
        begun: when the driver was started, before it had read the data; None in lines of before.
    """

    at: float
    trials: int | None
    outlook: Outlook | None = None
    begun: float | None = None


@dataclass(frozen=True)
class Drawn:
    """The search algorithm wants a trial; `point` are the values that it drew."""

    at: float
    index: int
    spec: TrialSpec
    point: Mapping[str, Any]


@dataclass(frozen=True)
class Begun:
    """A worker takes up a trial, for the `attempt`-th time."""

    at: float
    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A trial has finished an epoch.

    Attributes:
        train_seconds: spent inside of the training function by this trial so far.
        kept: the best epoch whose weights are in the storage, 0 if there is none.
        stored: bytes that the trial has there.
        usage: what its process takes; None if it was not looked at, as in lines of before.
    """

    at: float
    index: int
    report: EpochReport
    train_seconds: float
    kept: int
    stored: int
    usage: Usage | None = None


@dataclass(frozen=True)
class Paused:
    """A trial has a checkpoint and has made room."""

    at: float
    index: int


@dataclass(frozen=True)
class Yielded:
    """A trial has a checkpoint and has made room for one of another sweep; it goes on as soon as there is room."""

    at: float
    index: int


@dataclass(frozen=True)
class Continued:
    """A paused trial shall go on; with the weights of a `donor` and another `spec`, if there are any."""

    at: float
    index: int
    donor: int | None
    spec: TrialSpec | None


@dataclass(frozen=True)
class Lost:
    """The process of a trial is gone; it will be tried again."""

    at: float
    index: int
    reason: str


@dataclass(frozen=True)
class Ended:
    """A trial is over: finished, stopped, failed or interrupted (then it can go on in another session)."""

    at: float
    index: int
    status: TrialStatus
    reason: str


@dataclass(frozen=True)
class Closed:
    """A driver has left the sweep: finished, interrupted or failed."""

    at: float
    status: SweepStatus
    reason: str


Event = Opened | Drawn | Begun | Reported | Paused | Yielded | Continued | Lost | Ended | Closed
CRC = re.compile(r',"crc":"([0-9a-f]{8})"}\s*$')
STATUSES: dict[type[Any], type[TrialStatus | SweepStatus]] = {Ended: TrialStatus, Closed: SweepStatus}
KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Opened, Drawn, Begun, Reported, Paused, Yielded, Continued, Lost, Ended, Closed)
}


def to_line(event: Event) -> str:
    """One line of JSON with a checksum, the inverse of `from_line`. Numbers keep all of their bits."""
    # `asdict` would copy all that is in it, which takes longer than writing it
    fields_of = dict(vars(event))
    if isinstance(event, Reported):
        # most epochs have none
        del fields_of["usage"]
        if event.usage is not None:
            fields_of["usage"] = event.usage.to_json()
    content = json.dumps({"event": type(event).__name__.lower(), **fields_of}, separators=(",", ":"), default=vars)
    return f'{content[:-1]},"crc":"{_crc(content)}"}}'


def from_line(line: str) -> Event:
    """The event of a line; older versions wrote lines without a checksum.

    Raises:
        ValueError: it is none, or not the one that was written.
    """
    content = json.loads(line)
    if (found := CRC.search(line)) and found[1] != _crc(f"{line[: found.start()]}}}"):
        raise ValueError("its content does not fit its checksum")
    try:
        kind = KINDS[content.pop("event")]
        if content.get("spec") is not None:
            content["spec"] = TrialSpec.from_json(content["spec"])
        if kind is Opened:
            found_outlook = content.get("outlook")
            content["outlook"] = None if found_outlook is None else Outlook.from_json(found_outlook)
            content.setdefault("begun", None)
        if kind is Reported:
            content["usage"] = Usage.from_json(content.get("usage"))
        if kind in STATUSES:
            content["status"] = STATUSES[kind](content["status"])
        if content.get("report") is not None:
            content["report"] = EpochReport.from_json(content["report"])
        event: Event = kind(**{item.name: content[item.name] for item in fields(kind)})
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ValueError(f"not an event ({error!r})") from None
    return event


def _crc(content: str) -> str:
    return f"{zlib.crc32(content.encode()):08x}"
