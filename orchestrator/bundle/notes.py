"""What was guessed about the data that a model was trained on, as a file of its bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from orchestrator.bundle.files import LIMITS, NOTES_FILE
from orchestrator.columns.notes import Note
from orchestrator.errors import BundleError

STRICT = ConfigDict(strict=True, revalidate_instances="always")
# indents and brackets, and what it says of those that are left out, have the rest
MOST_BYTES = LIMITS[NOTES_FILE] // 2


def notes_document(notes: Sequence[Note]) -> dict[str, Any]:
    """Plain JSON, the inverse of `read_notes`; what would be larger than may be read again is left out, aloud."""
    kept: list[dict[str, str | None]] = []
    size = 0
    for note in notes:
        size += len(json.dumps(note.to_json()))
        if size > MOST_BYTES:
            rest = Note(why=f"there are {len(notes)} notes", done=f"{len(notes) - len(kept)} of them are left out here")
            kept.append(rest.to_json())
            break
        kept.append(note.to_json())
    return {"notes": kept}


def read_notes(document: Mapping[str, Any], where: str) -> tuple[Note, ...]:
    """What `notes_document` has written.

    Raises:
        BundleError: it was not; the sentence begins with `where`.
    """
    try:
        notes = tuple(map(Note.from_json, document["notes"]))
        return TypeAdapter(tuple[Note, ...], config=STRICT).validate_python(notes)
    except (KeyError, TypeError, ValidationError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise BundleError(f"{where}: damaged ({reason}); it was not loaded") from None
