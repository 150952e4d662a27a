"""The form page: `page.html`, told how the values of each kind of column are entered."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files

from orchestrator.features import KINDS

# of the script in the page, where the table belongs
PLACE = "{/* kind of column: its control */}"


def form_page() -> bytes:
    """The page, the same for all models: it asks the endpoint for their columns."""
    page = (files(__package__) / "page.html").read_text(encoding="utf-8")
    controls = {kind.value: asdict(found.control) for kind, found in KINDS.items()}
    if page.count(PLACE) != 1:
        raise ValueError("page.html must have one place for the controls")
    return page.replace(PLACE, json.dumps(controls)).encode()
