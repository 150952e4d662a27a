"""How good a registered version of a model is, and what became of a model that was to be registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import TrackingError
from orchestrator.roles import Role
from orchestrator.tasks import Metric


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A registered version.

    Attributes:
        name, version: `models:/NAME/VERSION`.
        champion: whether it has the alias `champion`.
        reason: why, or why not, as a sentence.
        existing: whether it was registered before, so that nothing new was.
    """

    name: str
    version: str
    champion: bool
    reason: str
    existing: bool = False

    @property
    def uri(self) -> str:
        """For `orchestrator deploy` and `mlflow.pyfunc.load_model`."""
        return f"models:/{self.name}@{Role.CHAMPION}" if self.champion else f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """How good a version is, by the metric by which it was chosen.

    Versions are compared on the validation rows: the test rows, which each sweep would else look at to choose, are for
    the report. What older versions of this program have registered has a figure on the test rows only.

    Attributes:
        metric: by which it was chosen.
        validation: its value on the validation rows, None if it is not known.
        test: on the test rows, None if it is not known.
        digest: of the data set that these are parts of.
        tie: what decides between equal ones, by name, smaller is better: on the validation rows; empty if not known.
    """

    metric: Metric
    validation: float | None
    test: float | None
    digest: str
    tie: Mapping[str, float] = field(default_factory=dict)


def figure_of(
    metric: Metric, validation: float, test: Mapping[str, float], digest: str, tie: Mapping[str, float]
) -> Figure:
    """By which a winner is compared with the champion.

    Raises:
        TrackingError: the metric does not exist on the test rows.
    """
    if metric.name not in test:
        raise TrackingError(f"{metric.name} cannot be computed on the test rows, so the model was not registered")
    return Figure(metric=metric, validation=validation, test=test[metric.name], digest=digest, tie=tie)
