"""Which versions of a registered model take traffic, kept in MLflow's registry: aliases and tags of the model.

`champion` answers; `canary` answers a share of the requests; `shadow` answers copies of them, which nobody reads.
A version has one of these roles at a time. See https://mlflow.org/docs/latest/ml/model-registry/#model-alias
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import NoSuchModelError, TrackingError, UsageError
from orchestrator.roles import Role
from orchestrator.tracking import tags
from orchestrator.tracking.lookups import (
    ABSENT,
    known_models,
    model_reader,
    other_registry,
    shown_registry,
    unknown_model,
)
from orchestrator.tracking.sqlite_registry import RegisteredModel, find_model
from orchestrator.tracking.store import tracked

if TYPE_CHECKING:
    from mlflow import MlflowClient

# also said in the help of `rollback` and in the docs
HISTORY_LENGTH = 20
PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """The versions of a model that take traffic.

    Attributes:
        name: of the registered model.
        champion: version that answers, None when there is none yet.
        canary: version that answers a share of the requests, or None.
        weight: that share, in percent from 0 to 100; 0 without a canary.
        shadow: version that answers copies of requests, or None.
        history: champions before, the latest last, `HISTORY_LENGTH` at most; some may have been deleted since.
        breaking: role -> version for which somebody has said that it may break what callers send and get.
        made: when the model was registered; one that was deleted and made again counts its versions from 1.
    """

    name: str
    champion: str | None
    canary: str | None
    weight: int
    shadow: str | None
    history: tuple[str, ...]
    breaking: Mapping[Role, str] = field(default_factory=dict)
    made: int | None = field(default=None, compare=False)

    def versions(self) -> Iterator[tuple[Role, str]]:
        """The roles that a version has."""
        for role in Role:
            version: str | None = getattr(self, role)
            if version is not None:
                yield role, version


def read_rollout(client: MlflowClient, name: str) -> Rollout:
    """The present state, in one call to the registry.

    Raises:
        TrackingError: there is no such model, or its tags were changed by hand to something that cannot be read.
    """
    from mlflow.exceptions import MlflowException

    with tracked(client.tracking_uri):
        try:
            model = client.get_registered_model(name)
        except MlflowException as error:
            # what cannot be a name, such as models:/NAME, is none
            if error.error_code not in ABSENT:
                raise
            raise unknown_model(name, known_models(client), client.tracking_uri) from None
    aliases = {alias: str(version) for alias, version in model.aliases.items()}
    return _rollout_of(name, RegisteredModel(aliases, model.tags, model.creation_timestamp))


def look_up_rollout(name: str, tracking_uri: str | None) -> Rollout:
    """The present state, without MLflow where its file says it.

    Args:
        name: of the registered model.
        tracking_uri: of the store, None for MLflow's default.

    Raises:
        TrackingError: see `read_rollout`; or the store cannot be used.
    """
    model = find_model(name, tracking_uri)
    if model is not None:
        return _rollout_of(name, model)
    with tracked(tracking_uri):
        return read_rollout(model_reader(name, tracking_uri), name)


def existing_version(client: MlflowClient, name: str, version: str) -> str:
    """The version as the registry writes it (`4` for `04`).

    Raises:
        NoSuchModelError: there is no such model or version.
    """
    from mlflow.exceptions import MlflowException

    with tracked(client.tracking_uri):
        try:
            return str(client.get_model_version(name, version).version)
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
        read_rollout(client, name)  # says if there is no such model
        latest = max((int(found.version) for found in client.get_registered_model(name).latest_versions), default=0)
        hint = f"the latest is {latest}" if latest else "it has none"
        raise NoSuchModelError(
            f"there is no version {version or repr(version)} of the registered model '{name}' in "
            f"{shown_registry(client.tracking_uri)} ({hint}; {other_registry()})"
        )


def promote(client: MlflowClient, name: str, version: str, *, breaking: bool = False) -> Rollout:
    """Makes a version the champion; the one before is added to the history, and the version's role before ends.

    The history is written first, then the alias moves in one call. Cut off in between, the old one is the champion,
    and the end of the history, which is not read while it is the champion. So there is always a champion, and always
    the way back.

    Args:
        client: of the store.
        name: of the registered model.
        version: that becomes the champion.
        breaking: note that it may break what callers of the champion before send and get.

    Raises:
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    with tracked(client.tracking_uri):
        before = read_rollout(client, name)
        version = existing_version(client, name, version)
        former = () if before.champion in (None, version) else (before.champion,)
        _note_breaking(client, before, Role.CHAMPION, version, breaking)
        _move_champion(client, before, version, (*before.history, *former))
    return read_rollout(client, name)


def previous_champion(client: MlflowClient, rollout: Rollout) -> tuple[str, tuple[str, ...]]:
    """Where a rollback leads.

    Returns:
        The latest version of the history that still exists, and the history before it.

    Raises:
        TrackingError: there is none.
    """
    from mlflow.exceptions import MlflowException

    history = rollout.history
    with tracked(client.tracking_uri):
        while history:
            *earlier, version = history
            history = tuple(earlier)
            # with deleted versions in between, the present champion may come up again
            if version == rollout.champion:
                continue
            try:
                client.get_model_version(rollout.name, version)
            except MlflowException as error:
                if error.error_code not in ABSENT:
                    raise
            else:
                return version, history
    gone = f" (deleted since: {', '.join(rollout.history)})" if rollout.history else ""
    raise TrackingError(
        f"'{rollout.name}' has no earlier champion to roll back to{gone}; "
        f"give a version: `orchestrator promote {rollout.name} VERSION`"
    )


def rollback(client: MlflowClient, name: str, *, breaking: bool = False) -> Rollout:
    """Makes the champion before the champion again, and takes it from the history.

    As in `promote`, the history is written first: its end is the version that then becomes the champion; `breaking` is
    that of `promote`, too.

    Raises:
        TrackingError: there is no such model, none of its earlier champions still exists, or the store cannot be used.
    """
    with tracked(client.tracking_uri):
        before = read_rollout(client, name)
        version, history = previous_champion(client, before)
        _note_breaking(client, before, Role.CHAMPION, version, breaking)
        _move_champion(client, before, version, (*history, version))
    return read_rollout(client, name)


def set_canary(client: MlflowClient, name: str, version: str, weight: int, *, breaking: bool = False) -> Rollout:
    """Gives a version a share of the requests, instead of any other canary.

    Args:
        client: of the store.
        name: of the registered model.
        version: not the champion; it stops being the shadow.
        weight: its share in percent, from 0 to 100.
        breaking: note that it may break what callers of the champion send and get.

    Raises:
        UsageError: the weight is out of range, the version is the champion or there is no champion.
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    if not 0 <= weight <= PERCENT:
        raise UsageError(f"the weight of a canary is a percentage from 0 to {PERCENT}, not {weight}")
    with tracked(client.tracking_uri):
        before = read_rollout(client, name)
        version = _candidate(client, before, version, Role.CANARY)
        _note_breaking(client, before, Role.CANARY, version, breaking)
        larger = before.canary is not None and weight > before.weight
        # between the two writes, the smaller share counts, for the old canary or for the new one
        if larger:
            _set_alias(client, name, Role.CANARY, version)
        client.set_registered_model_tag(name, tags.CANARY_WEIGHT, str(weight))
        if not larger:
            _set_alias(client, name, Role.CANARY, version)
        if before.shadow == version:
            _delete_alias(client, name, Role.SHADOW)
    return read_rollout(client, name)


def set_shadow(client: MlflowClient, name: str, version: str, *, breaking: bool = False) -> Rollout:
    """Gives a version copies of the requests, instead of any other shadow.

    Args:
        client: of the store.
        name: of the registered model.
        version: not the champion; it stops being the canary.
        breaking: note that it may need other requests than the champion, or give other answers.

    Raises:
        UsageError: the version is the champion or there is no champion.
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    with tracked(client.tracking_uri):
        before = read_rollout(client, name)
        version = _candidate(client, before, version, Role.SHADOW)
        _note_breaking(client, before, Role.SHADOW, version, breaking)
        _set_alias(client, name, Role.SHADOW, version)
        if before.canary == version:
            _end_canary(client, name)
    return read_rollout(client, name)


def abort(client: MlflowClient, name: str) -> Rollout:
    """Ends canary and shadow, also ones whose weight cannot be read; the champion answers everything.

    Raises:
        TrackingError: there is no such model, or the store cannot be used.
    """
    from mlflow.exceptions import MlflowException

    with tracked(client.tracking_uri):
        try:
            _end_canary(client, name)
            _delete_alias(client, name, Role.SHADOW)
            _forget_breaking(client, name, Role.CANARY, Role.SHADOW)
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
    return read_rollout(client, name)


def _rollout_of(name: str, model: RegisteredModel) -> Rollout:
    champion, canary = model.aliases.get(Role.CHAMPION), model.aliases.get(Role.CANARY)
    history = _parse_history(name, model.tags)
    while history and history[-1] == champion:
        # written by a promotion that was cut off, or by a rollback: see there
        history = history[:-1]
    return Rollout(
        name=name,
        champion=champion,
        canary=canary,
        weight=_parse_weight(name, model.tags) if canary else 0,
        shadow=model.aliases.get(Role.SHADOW),
        history=history,
        breaking=_parse_breaking(model.tags),
        made=model.made,
    )


def _candidate(client: MlflowClient, rollout: Rollout, version: str, role: Role) -> str:
    """The version as the registry writes it, once it may take the role beside the champion."""
    name, version = rollout.name, existing_version(client, rollout.name, version)
    if rollout.champion is None:
        raise UsageError(
            f"'{name}' has no champion beside which version {version} could be the {role}; "
            f"make it the champion: `orchestrator promote {name} {version}`"
        )
    if rollout.champion == version:
        raise UsageError(f"version {version} of '{name}' is the champion, so it cannot be the {role}; give another one")
    return version


def _move_champion(client: MlflowClient, before: Rollout, version: str, history: tuple[str, ...]) -> None:
    # left from a move that was cut off at its end; harmless until another version is the champion
    _end_roles(client, before, before.champion)
    client.set_registered_model_tag(before.name, tags.HISTORY, json.dumps(history[-HISTORY_LENGTH:]))
    _set_alias(client, before.name, Role.CHAMPION, version)
    _end_roles(client, before, version)


def _end_roles(client: MlflowClient, before: Rollout, version: str | None) -> None:
    """Ends what a champion is besides."""
    if version is not None and before.canary == version:
        _end_canary(client, before.name)
    if version is not None and before.shadow == version:
        _delete_alias(client, before.name, Role.SHADOW)


def _note_breaking(client: MlflowClient, before: Rollout, role: Role, version: str, breaking: bool) -> None:
    """Notes, before an alias moves, whether its version may break what callers rely on.

    A champion that breaks nothing takes over what was said of the one before: an endpoint that has missed that one, and
    still serves its predecessor, may go on to its successor.
    """
    noted = {name: kept for name, kept in before.breaking.items() if name != role}
    follows = role == Role.CHAMPION and before.champion is not None and before.breaking.get(role) == before.champion
    if breaking or follows:
        noted[role] = version
    _write_breaking(client, before.name, before.breaking, noted)


def _forget_breaking(client: MlflowClient, name: str, *roles: Role) -> None:
    before = _parse_breaking(client.get_registered_model(name).tags)
    _write_breaking(client, name, before, {role: version for role, version in before.items() if role not in roles})


def _write_breaking(client: MlflowClient, name: str, before: Mapping[Role, str], noted: Mapping[Role, str]) -> None:
    if noted == before:
        return
    if noted:
        client.set_registered_model_tag(name, tags.BREAKING, json.dumps(noted))
    else:
        client.delete_registered_model_tag(name, tags.BREAKING)


def _set_alias(client: MlflowClient, name: str, role: Role, version: str) -> None:
    # some databases would be sent the name of an enum
    client.set_registered_model_alias(name, role.value, version)


def _delete_alias(client: MlflowClient, name: str, role: Role) -> None:
    client.delete_registered_model_alias(name, role.value)


def _end_canary(client: MlflowClient, name: str) -> None:
    _delete_alias(client, name, Role.CANARY)
    client.delete_registered_model_tag(name, tags.CANARY_WEIGHT)


def _parse_weight(name: str, labels: Mapping[str, str]) -> int:
    text = labels.get(tags.CANARY_WEIGHT, "0")
    weight = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= weight <= PERCENT:
        raise TrackingError(
            f"the tag {tags.CANARY_WEIGHT} of the registered model '{name}' is '{text[:40]}'; "
            f"set it to a whole number from 0 to {PERCENT}, or end the canary: `orchestrator promote {name} --abort`"
        )
    return weight


def _parse_breaking(labels: Mapping[str, str]) -> dict[Role, str]:
    """Nothing where the tag cannot be read: it would let a version through."""
    try:
        content = json.loads(labels.get(tags.BREAKING, "{}"))
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {role: str(content[role]) for role in Role if role in content}


def _parse_history(name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    text = labels.get(tags.HISTORY, "[]")
    try:
        history = json.loads(text)
    except ValueError:
        history = None
    if not isinstance(history, list):
        raise TrackingError(
            f"the tag {tags.HISTORY} of the registered model '{name}' is '{text[:40]}', no JSON list of versions; "
            "correct or delete it in MLflow"
        )
    return tuple(str(version) for version in history)
