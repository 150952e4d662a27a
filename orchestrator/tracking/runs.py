"""Runs of sweeps and of their trials in a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.tracking import tags
from orchestrator.tracking.store import PAGE, reader_for, tracked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def child_runs(client: MlflowClient, experiment_id: str, parent_run_id: str) -> Iterator[Run]:
    """All runs below a parent, page by page."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`{tags.PARENT}` = '{parent_run_id}'", max_results=PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def find_sweep_run(tracking_uri: str, sweep_id: str) -> str | None:
    """The parent run of a sweep by the sweep's id, the latest; None if there is none.

    Raises:
        TrackingError: the store cannot be used.
    """
    client = reader_for(tracking_uri)
    if client is None:
        return None
    condition = f"tags.`{tags.SWEEP_ID}` = '{sweep_id}' and tags.`{tags.KIND}` = '{tags.SWEEP_KIND}'"
    with tracked(tracking_uri):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, condition, max_results=1, order_by=["attributes.start_time DESC"])
    return str(found[0].info.run_id) if found else None


def end_if_running(tracking_uri: str, run_id: str, reason: str) -> None:
    """Ends a run that nobody goes on with, and those below it, as ones that were stopped.

    Raises:
        TrackingError: the store cannot be used, or has no such run.
    """
    client = reader_for(tracking_uri)
    if client is None:
        return
    with tracked(tracking_uri):
        parent = client.get_run(run_id)
        for run in (parent, *child_runs(client, parent.info.experiment_id, run_id)):
            if run.info.status == "RUNNING":
                client.set_tag(run.info.run_id, tags.REASON, reason)
                client.set_terminated(run.info.run_id, "KILLED")


def find_child(client: MlflowClient, experiment_id: str, parent_run_id: str, index: int) -> str | None:
    """The id of the run of one trial, None if there is none."""
    condition = f"tags.`{tags.PARENT}` = '{parent_run_id}' and tags.`{tags.TRIAL_INDEX}` = '{index}'"
    found = client.search_runs([experiment_id], condition, max_results=1)
    return str(found[0].info.run_id) if found else None
