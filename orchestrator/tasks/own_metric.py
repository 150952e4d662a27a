"""A user's own metric, named `package.module:function`.

    def profit(target, prediction): ...
    profit.maximize = True

`target` and `prediction` are arrays with one entry for each row: labels as they stand in the data, or numbers in the
target's unit. A function may name more arguments and gets them by name: `weight` (what each row counts), and
`probabilities`, float64 [rows, classes], of classes, or `quantiles`, float64 [rows, quantiles]. It returns a number.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.lazy import imported_here
from orchestrator.tasks.metric import Metric

GIVEN = ("target", "prediction")


def is_own(name: str) -> bool:
    """Whether a metric is a user's own."""
    return ":" in name


def own_metric(name: str) -> Metric:
    """The metric of a user's function, which is imported; the current folder is looked in, too.

    Raises:
        ConfigError: it cannot be imported, or does not say which way is better.
    """
    maximize = getattr(_function(name), "maximize", None)
    if not isinstance(maximize, bool):
        function = name.partition(":")[2]
        raise ConfigError(
            f"metric {name}: say which way is better, in its module: {function}.maximize = True, or False for an error"
        )
    return Metric(name, maximize=maximize)


def own_value(name: str, answers: Mapping[str, Any]) -> float:
    """What a user's function says about some rows.

    Args:
        name: of the metric.
        answers: all that it may name, with `target` and `prediction`.

    Raises:
        ConfigError: it raises, or returns no number.
    """
    function = _function(name)
    try:
        parameters = inspect.signature(function).parameters
        more = {key: value for key, value in answers.items() if key in parameters and key not in GIVEN}
        found = function(*(answers[key] for key in GIVEN), **more)
    except Exception as error:  # the user's code may raise anything
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"metric {name} raised {type(error).__name__}: {reason}") from error
    try:
        value = math.nan if isinstance(found, bool | str) else float(found)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"metric {name} must return a finite number, but returned {str(found)[:40]}")
    return value


def _function(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(imported_here(module), attribute, None)
    except Exception as error:  # the user's module may raise anything
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"metric {name}: importing {module} raised {type(error).__name__}: {reason}") from error
    if not callable(found):
        raise ConfigError(f"metric {name}: {module} has no function named {attribute or '(nothing)'}")
    function: Callable[..., Any] = found
    return function
