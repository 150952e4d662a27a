"""What a row of each class counts in the training loss: `none`, `balanced`, or a number for each class."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.data import Examples
    from orchestrator.tasks import Target

NONE, BALANCED = "none", "balanced"


def plain_class_weights(wish: object) -> str:
    """What a user says as a text: a search space and MLflow know no other values.

    Args:
        wish: `none`, `balanced`, a mapping of classes to weights, or a text such as `good=1,bad=5`.

    Raises:
        ConfigError: it is none of these.
    """
    if isinstance(wish, str) and wish in (NONE, BALANCED):
        return wish
    if isinstance(wish, Mapping):
        wish = json.dumps({_key(name): value for name, value in wish.items()})
    parse_class_weights(wish)
    return str(wish)


def parse_class_weights(wish: object) -> dict[str, float]:
    """The weights in a text such as `good=1,bad=5`, or a JSON object if names have commas.

    Raises:
        ConfigError: there are none.
    """
    found: dict[str, float] = {}
    try:
        if isinstance(wish, str) and wish.startswith("{"):
            pairs = list(json.loads(wish).items())
        else:
            pairs = [item.rsplit("=", 1) for item in str(wish).split(",")]
        for name, value in pairs:
            found[name.strip()] = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        pairs = []
    if not found or len(found) != len(pairs) or not all(0 < value < math.inf for value in found.values()):
        raise ConfigError(
            f"class_weights must be none, balanced, or a number above 0 for each class, such as good=1,bad=5, but is "
            f"{wish!r}"
        )
    return found


def check_class_weights(wish: str, target: Target) -> None:
    """Raises ConfigError when a target has no such classes."""
    if wish == NONE:
        return
    if not target.classes:
        raise ConfigError(f"class_weights is '{wish}', but a {target.task} target has no classes; leave it out")
    if wish == BALANCED:
        return
    known, found = [_key(label) for label in target.classes], parse_class_weights(wish)
    for name in found:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"class_weights: the target has no class '{name}' (it has: {', '.join(known)}){hint}")
    missing = [name for name in known if name not in found]
    if missing:
        raise ConfigError(f"class_weights: say what the class '{missing[0]}' counts, too")


def class_weights(wish: str, target: Target, rows: Examples) -> NDArray[np.float32]:
    """What a row of each class counts, float32 [classes]; their mean over the rows is 1, so that steps stay as large.

    Args:
        wish: `balanced`, which lets all classes count the same together, or see `parse_class_weights`.
        target: with the classes.
        rows: of training, to see how often each class occurs.

    Raises:
        ConfigError: see `check_class_weights`.
    """
    import numpy as np

    check_class_weights(wish, target)
    counts: NDArray[Any] = np.bincount(rows.target, rows.weight, minlength=len(target.classes)).astype(np.float64)
    if wish == BALANCED:
        weights = np.where(counts > 0, 1 / np.where(counts > 0, counts, 1.0), 0.0)
    else:
        found = parse_class_weights(wish)
        weights = np.array([found[_key(label)] for label in target.classes])
    scaled: NDArray[np.float32] = (weights * counts.sum() / (weights @ counts)).astype(np.float32)
    return scaled


def _key(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
