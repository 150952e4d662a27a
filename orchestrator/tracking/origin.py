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
from orchestrator.tracking.lengths import in_tags, of_tags

if TYPE_CHECKING:
    import pandas as pd


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
    return in_tags(tags.DATA, json.dumps(content))


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
    return of_tags(tags.DATA, labels)
