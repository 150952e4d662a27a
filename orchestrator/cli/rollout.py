"""`orchestrator promote` and `rollback`: which version of a model takes traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, tracking_option
from orchestrator.cli.numbers import WholeNumber
from orchestrator.environment import aside
from orchestrator.errors import ServingError

if TYPE_CHECKING:
    from orchestrator.serving.control.control_socket import EndpointUpdate
    from orchestrator.serving.control.rollouts import RolloutChange

PROMOTE = """Make VERSION of the registered model NAME the champion, or let it try first.

\b
Example:
  orchestrator promote adult --shadow 4              # it gets copies of all requests, nobody gets its answers
  orchestrator promote adult --canary 4 --weight 10  # it answers 10% of the requests
  orchestrator promote adult                         # the canary becomes the champion
  orchestrator promote adult 4                       # version 4 does, without trying first
  orchestrator promote adult --abort                 # canary and shadow end
  orchestrator rollback adult                        # the champion before is the champion again

First the version is checked: it loads, it answers the example rows in its bundle as when it was made, it takes all
requests that the champion takes, and it answers in the same form (unless --breaking). A champion also has to be no
worse on the validation rows than the one before (unless --force). Nothing is changed when a check fails. Endpoints of
this machine that serve models:/NAME@champion follow at once, others within seconds.
"""
ROLLBACK = """Make the champion before the champion of the registered model NAME again.

\b
Example:
  orchestrator rollback adult

May be repeated: the registry keeps the last 20 champions. Versions that were deleted since are left out.
"""
breaking_option = click.option(
    "--breaking", is_flag=True, help="Also when the champion's requests would fail, or be answered in another form."
)
ONE_OF = "give one of VERSION, --canary VERSION, --shadow VERSION and --abort"


@click.command(cls=Command, help=PROMOTE)
@click.argument("name")
@click.argument("version", required=False)
@click.option("--canary", "canary_version", metavar="VERSION", help="Let it answer a share of the requests.")
@click.option("--weight", type=WholeNumber(1, 100), metavar="PERCENT", help="Share of the canary. Default: 10.")
@click.option("--shadow", "shadow_version", metavar="VERSION", help="Let it answer copies of the requests, unread.")
@click.option("--abort", "aborting", is_flag=True, help="End canary and shadow.")
@click.option("--force", is_flag=True, help="Also when it is worse than the champion, or cannot be compared with it.")
@breaking_option
@tracking_option
@json_option
def promote(
    *,
    name: str,
    version: str | None,
    canary_version: str | None,
    weight: int | None,
    shadow_version: str | None,
    aborting: bool,
    force: bool,
    breaking: bool,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """See PROMOTE."""
    name, said = _named(name)
    if said is not None:
        if version not in (None, said):
            raise click.UsageError(f"models:/{name}/{said} is version {said}, but version {version} is given, too")
        version = said
    beside = (canary_version is not None) + (shadow_version is not None) + aborting
    if beside + (version is not None) > 1:
        raise click.UsageError(ONE_OF)
    if weight is not None and canary_version is None:
        raise click.UsageError("--weight needs --canary VERSION")
    if force and beside:
        raise click.UsageError("--force is for champions: canary and shadow do not have to be as good")
    if breaking and aborting:
        raise click.UsageError("--breaking is for a version that takes traffic, --abort ends that")

    def change() -> RolloutChange:
        from orchestrator.serving.control import rollouts

        if aborting:
            return rollouts.abort(name, tracking_uri=tracking_uri)
        if canary_version is not None:
            share = rollouts.DEFAULT_WEIGHT if weight is None else weight
            return rollouts.canary(name, canary_version, share, tracking_uri=tracking_uri, breaking=breaking)
        if shadow_version is not None:
            return rollouts.shadow(name, shadow_version, tracking_uri=tracking_uri, breaking=breaking)
        return rollouts.promote(name, version, tracking_uri=tracking_uri, force=force, breaking=breaking)

    # to try a version takes a core for seconds, which the endpoint may need
    _show(aside(change), as_json=as_json)


@click.command(cls=Command, help=ROLLBACK)
@click.argument("name")
@breaking_option
@tracking_option
@json_option
def rollback(name: str, breaking: bool, tracking_uri: str | None, as_json: bool) -> None:
    """See ROLLBACK."""
    name, said = _named(name)
    if said is not None:
        raise click.UsageError(
            f"rollback goes to the champion before; version {said} becomes it with: orchestrator promote {name} {said}"
        )

    def change() -> RolloutChange:
        from orchestrator.serving.control import rollouts

        return rollouts.rollback(name, tracking_uri=tracking_uri, breaking=breaking)

    _show(aside(change), as_json=as_json)


def _named(model: str) -> tuple[str, str | None]:
    """Name and version of a model that is called by its name, or as `deploy` and `predict` call it."""
    from orchestrator.tracking.models import MODEL_URI

    found = MODEL_URI.fullmatch(model)
    return (model, None) if found is None else (found["name"], found["version"])


def _show(change: RolloutChange, *, as_json: bool) -> None:
    """Prints a change.

    Raises:
        ServingError: an endpoint that follows the model does not serve the change yet.
    """
    if as_json:
        print_json(change.to_json())
    else:
        for check in change.checks:
            echo(f"checked: {check}")
        for sentence in _roles(change):
            echo(f"{change.rollout.name}: {sentence}")
        for followed in change.endpoints:
            echo(endpoint_sentence(followed))
        if not change.endpoints:
            click.echo("no endpoint of this machine serves it")
    late = [followed.endpoint for followed in change.endpoints if followed.follows and followed.problem]
    if late:
        raise ServingError(f"the registry is changed, but not yet what {', '.join(late)} answers with")


def _roles(change: RolloutChange) -> list[str]:
    """Who answers now, and how to change that again."""
    rollout, name = change.rollout, change.rollout.name
    if rollout.champion is None:
        sentences = ["there is no champion"]
    elif change.former not in (None, rollout.champion):
        back = f"; roll back with `orchestrator rollback {name}`" if change.former in rollout.history else ""
        sentences = [f"champion is version {rollout.champion}, was {change.former}{back}"]
    else:
        sentences = [f"champion is version {rollout.champion}"]
    if rollout.canary is not None:
        sentences.append(
            f"canary is version {rollout.canary}, with {rollout.weight}% of the requests; make it the champion with "
            f"`orchestrator promote {name}`, end it with `orchestrator promote {name} --abort`"
        )
    if rollout.shadow is not None:
        sentences.append(
            f"shadow is version {rollout.shadow}, with copies of the requests; "
            f"end it with `orchestrator promote {name} --abort`"
        )
    return sentences


def endpoint_sentence(followed: EndpointUpdate) -> str:
    """What an endpoint answers with, or why not with the change."""
    where, serving = f"{followed.endpoint} on {followed.url}", followed.serving
    if serving is None or (followed.follows and followed.problem):
        return f"{where} does not answer with it yet: {followed.problem}"
    if not followed.follows:
        return f"{where} stays with version {serving.champion}: it was deployed with a version of its own"
    from orchestrator.serving.control.control_socket import serving_sentence

    return f"{where} answers with {serving_sentence(serving)}"
