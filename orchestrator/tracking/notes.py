"""What was guessed about data, with a run in MLflow: a tag that can be searched and read, and a file with all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.bundle.files import LIMITS, NOTES_FILE, parse_json, read_file
from orchestrator.bundle.notes import notes_document, read_notes
from orchestrator.columns.notes import Note
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import shortened

if TYPE_CHECKING:
    from mlflow import MlflowClient


def notes_tag(notes: Sequence[Note]) -> dict[str, str]:
    """How many there are, and their sentences as far as a tag takes them; nothing if there are none."""
    return {tags.NOTES: shortened(f"{len(notes)}: {'; '.join(map(str, notes))}")} if notes else {}


def log_notes(client: MlflowClient, run_id: str, notes: Sequence[Note]) -> None:
    """Writes all of them as a file of the run, if there are some."""
    if notes:
        client.log_dict(run_id, notes_document(notes), NOTES_FILE)


def logged_notes(client: MlflowClient, run_id: str) -> tuple[Note, ...]:
    """What `log_notes` has written.

    Raises:
        BundleError: it was not written by it.
    """
    with TemporaryDirectory(prefix="orchestrator-") as folder:
        path = Path(client.download_artifacts(run_id, NOTES_FILE, folder))
        return read_notes(parse_json(read_file(path, LIMITS[NOTES_FILE]), NOTES_FILE), NOTES_FILE)
