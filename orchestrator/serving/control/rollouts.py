"""Changing which version of a model takes traffic: gates first, then the registry, then this machine's endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.errors import UsageError
from orchestrator.serving.control.gates import gate_version
from orchestrator.tracking import rollout as registry
from orchestrator.tracking.lookups import model_reader
from orchestrator.tracking.rollout import Rollout, existing_version, previous_champion, read_rollout

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from orchestrator.serving.control.control_socket import EndpointUpdate

FOLLOW_SECONDS = 30.0
DEFAULT_WEIGHT = 10


@dataclass(frozen=True)
class RolloutChange:
    """What a change has led to.

    Attributes:
        former: version that was the champion before, or None.
        rollout: which versions take traffic now.
        checks: what was checked of the version, as sentences with figures.
        endpoints: those of this machine that serve the model, and what they answer with.
    """

    former: str | None
    rollout: Rollout
    checks: list[str]
    endpoints: list[EndpointUpdate]

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator promote --json` shows it."""
        return {**asdict(self), "endpoints": [followed.to_json() for followed in self.endpoints]}


def promote(
    name: str,
    version: str | None = None,
    *,
    tracking_uri: str | None = None,
    force: bool = False,
    breaking: bool = False,
) -> RolloutChange:
    """Makes a version the champion, once it has passed all gates.

    Args:
        name: of the registered model.
        version: registered version, None for the canary.
        tracking_uri: MLflow store, or None for MLflow's default.
        force: also when it is worse than the present champion, or cannot be compared with it.
        breaking: also when requests that the champion answers would fail, or get answers of another kind; endpoints
            that follow the model accept it, too.

    Raises:
        UsageError: no version is given, and there is no canary.
        BundleError, GateError: the version did not pass, see `gate_version`; nothing was changed.
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    client = model_reader(name, tracking_uri)
    before = read_rollout(client, name)
    if version is None and before.canary is None:
        raise UsageError(f"'{name}' has no canary; give the version to promote: `orchestrator promote {name} VERSION`")
    # an empty one is a mistake, and not the canary
    version = existing_version(client, name, str(before.canary if version is None else version))
    checks = gate_version(client, tracking_uri, name, version, force=force, breaking=breaking)
    return _followed(before.champion, registry.promote(client, name, version, breaking=breaking), checks)


def rollback(name: str, *, tracking_uri: str | None = None, breaking: bool = False) -> RolloutChange:
    """Makes the champion before the champion again, once it has shown that it loads and answers as when it was made.

    Args:
        name: of the registered model.
        tracking_uri: MLflow store, or None for MLflow's default.
        breaking: also when requests that the present champion answers would fail, as in `promote`.

    Raises:
        BundleError, GateError: the version did not pass; nothing was changed.
        TrackingError: there is no such model or no earlier champion, or the store cannot be used.
    """
    client = model_reader(name, tracking_uri)
    before = read_rollout(client, name)
    version, _ = previous_champion(client, before)
    checks = gate_version(client, tracking_uri, name, version, force=True, breaking=breaking)
    return _followed(before.champion, registry.rollback(client, name, breaking=breaking), checks)


def canary(
    name: str,
    version: str,
    weight: int = DEFAULT_WEIGHT,
    *,
    tracking_uri: str | None = None,
    breaking: bool = False,
) -> RolloutChange:
    """Gives a version a share of the requests, once it has shown that it loads and answers as when it was made.

    Args:
        name: of the registered model.
        version: registered version, not the champion.
        weight: its share in percent, from 0 to 100.
        tracking_uri: MLflow store, or None for MLflow's default.
        breaking: also when it needs other requests than the champion, or gives other answers.

    Raises:
        UsageError: the weight is out of range, the version is the champion or there is no champion.
        BundleError, GateError: the version did not pass; nothing was changed.
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    return _beside(
        name,
        version,
        tracking_uri,
        breaking,
        lambda client, found: registry.set_canary(client, name, found, weight, breaking=breaking),
    )


def shadow(name: str, version: str, *, tracking_uri: str | None = None, breaking: bool = False) -> RolloutChange:
    """Gives a version copies of the requests, once it has shown that it loads and answers as when it was made.

    Args:
        name: of the registered model.
        version: registered version, not the champion.
        tracking_uri: MLflow store, or None for MLflow's default.
        breaking: also when it needs other requests than the champion, or gives other answers.

    Raises:
        UsageError: the version is the champion or there is no champion.
        BundleError, GateError: the version did not pass; nothing was changed.
        TrackingError: there is no such model or version, or the store cannot be used.
    """
    return _beside(
        name,
        version,
        tracking_uri,
        breaking,
        lambda client, found: registry.set_shadow(client, name, found, breaking=breaking),
    )


def abort(name: str, *, tracking_uri: str | None = None) -> RolloutChange:
    """Ends canary and shadow.

    Args:
        name: of the registered model.
        tracking_uri: MLflow store, or None for MLflow's default.

    Raises:
        TrackingError: there is no such model, or the store cannot be used.
    """
    client = model_reader(name, tracking_uri)
    rollout = registry.abort(client, name)
    return _followed(rollout.champion, rollout, [])


def _beside(
    name: str, version: str, tracking_uri: str | None, breaking: bool, change: Callable[[MlflowClient, str], Rollout]
) -> RolloutChange:
    """Gives a version that passes the gates, but need not be as good as the champion, a role beside it."""
    client = model_reader(name, tracking_uri)
    before = read_rollout(client, name)
    found = existing_version(client, name, str(version))
    checks = gate_version(client, tracking_uri, name, found, force=True, breaking=breaking)
    return _followed(before.champion, change(client, found), checks)


def _followed(former: str | None, rollout: Rollout, checks: list[str]) -> RolloutChange:
    """Tells this machine's endpoints and waits until they serve it."""
    # Ray Serve is only needed once the registry has changed
    from orchestrator.serving.control.control_socket import follow_now

    return RolloutChange(former, rollout, checks, follow_now(rollout.name, FOLLOW_SECONDS))
