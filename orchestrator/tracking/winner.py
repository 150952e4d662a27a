"""What is found out about the winner of a sweep, in MLflow: files and tables of its run, descriptions of its model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.bundle.files import CARD_FILE
from orchestrator.bundle.registration import Registration
from orchestrator.evaluation.winner_description import WinnerDescription, read_description
from orchestrator.reports.card import short_card, summary_in
from orchestrator.reports.content import REPORT_FILE
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import MODEL_FOLDER, Outcome
from orchestrator.tracking.lengths import MAX_DESCRIPTION_LENGTH, shortened
from orchestrator.tracking.versions import logged_model_of
from orchestrator.units import counted, show_number

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# among the files of a run
PICTURES_FOLDER = "pictures"
IMPORTANCE_FILE, DEPENDENCE_FILE = "importance.json", "partial_dependence.json"
# by which MLflow's pages know the tables among the files of a run
TABLES_TAG = "mlflow.loggedArtifacts"


def log_winner(client: MlflowClient, run_id: str, storage: Storage) -> None:
    """Writes what lies in the folder of a sweep to its run: the model card, and what decides the answers as tables.

    Raises:
        StorageError: something of it is damaged.
    """
    card = f"{MODEL_FOLDER}/{CARD_FILE}"
    if storage.size(card):
        client.log_text(run_id, storage.read(card).decode(), CARD_FILE)
    found = read_description(storage)
    tables = {} if found is None else _tables(found)
    for file, rows in tables.items():
        client.log_text(run_id, json.dumps(_table(rows)), file)
    if tables:
        client.set_tag(run_id, TABLES_TAG, json.dumps([{"path": file, "type": "table"} for file in tables]))


def describe_version(client: MlflowClient, version: ModelVersion, card: str) -> None:
    """Writes the card of a model beside its version, and what the model is for beside its name, if nothing is there."""
    if not card:
        return
    client.update_model_version(version.name, version.version, short_card(card, MAX_DESCRIPTION_LENGTH))
    if not client.get_registered_model(version.name).description:
        client.update_registered_model(version.name, shortened(summary_in(card), MAX_DESCRIPTION_LENGTH))


def link_model(client: MlflowClient, run_id: str, registration: Registration) -> None:
    """The run of a sweep leads to the model that it has ended with, as that of the winning trial does."""
    from mlflow.entities import LoggedModelOutput

    model_id = logged_model_of(client.get_model_version(registration.name, registration.version))
    outputs = client.get_run(run_id).outputs
    known = [output.model_id for output in outputs.model_outputs] if outputs is not None else []
    if model_id and model_id not in known:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def outcome_note(outcome: Outcome) -> str:
    """How a sweep has ended, in Markdown for the head of its run's page."""
    counts = ", ".join(f"{count} {status}" for status, count in outcome.trials.items())
    winner = f"trial {outcome.best}, epoch {outcome.epoch}"
    if outcome.ensemble is not None and outcome.ensemble["accepted"]:
        winner = f"an ensemble of {len(outcome.ensemble['members'])} trials, the best of them {outcome.best}"
    test = ", ".join(f"{name} {show_number(value)}" for name, value in outcome.test.items())
    lines = [
        f"{counted(sum(outcome.trials.values()), 'trial')}: {counts}.",
        f"Winner: {winner}, with {outcome.metric} {show_number(outcome.validation)} on the validation rows.",
        f"On the test rows: {test}.",
        *([f"Model: `{outcome.model}`, champion: {outcome.champion}."] if outcome.model is not None else []),
        f"Files: `{REPORT_FILE}` (the report), `{PICTURES_FOLDER}` (its charts), `{CARD_FILE}`, `{IMPORTANCE_FILE}` "
        "(what decides the answers).",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _tables(found: WinnerDescription) -> dict[str, list[dict[str, Any]]]:
    tables = {}
    if found.overview.importance is not None:
        tables[IMPORTANCE_FILE] = found.overview.importance.records()
    if found.overview.curves:
        tables[DEPENDENCE_FILE] = [row for curve in found.overview.curves for row in curve.records()]
    return tables


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """As `mlflow.log_table` writes one, so that MLflow's pages show it as such."""
    return {"columns": list(rows[0]) if rows else [], "data": [list(row.values()) for row in rows]}
