"""How the data of a run was read, as tags in MLflow: from them a trial is trained again on the same reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.columns.rows_wish import FRAME
from orchestrator.data import DataOptions
from orchestrator.errors import TrackingError
from orchestrator.tracking import tags

if TYPE_CHECKING:
    import pandas as pd

# stores refuse or cut longer tags; wishes for thousands of columns take several
MAX_TAG_LENGTH = 5000


def describe_origin(data: str | Path | pd.DataFrame, options: DataOptions) -> dict[str, str]:
    """The tags that say how a data set was read, from which `read_origin` makes the same.

    Args:
        data: the source.
        options: how it was read.
    """
    source = str(data) if isinstance(data, str | Path) else FRAME
    paths = {"data": source, **options.rows.files}
    found = {name: str(Path(path).resolve()) for name, path in paths.items() if path != FRAME and Path(path).exists()}
    return origin_tags({"data": source, **options.to_json(), **found})


def origin_tags(content: Mapping[str, Any]) -> dict[str, str]:
    """Plain JSON as tags: one, or as many as it takes."""
    text = json.dumps(content)
    parts = [text[start : start + MAX_TAG_LENGTH] for start in range(0, len(text), MAX_TAG_LENGTH)]
    return {_name(number): part for number, part in enumerate(parts)}


def read_origin(labels: Mapping[str, str]) -> dict[str, Any]:
    """What `origin_tags` was given; nothing if there are no such tags.

    Args:
        labels: tags of a run.

    Raises:
        TrackingError: they are not what was written.
    """
    text = "".join(kept_origin(labels).values())
    try:
        content = json.loads(text or "{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise TrackingError(f"MLflow's tag {tags.DATA} is damaged, so how the data was read is not known")
    return content


def kept_origin(labels: Mapping[str, str]) -> dict[str, str]:
    """The tags of `describe_origin` among those of a run, in their order."""
    found: dict[str, str] = {}
    while (name := _name(len(found))) in labels:
        found[name] = labels[name]
    return found


def _name(number: int) -> str:
    return tags.DATA if number == 0 else f"{tags.DATA}.{number}"
