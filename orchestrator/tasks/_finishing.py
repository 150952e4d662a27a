"""What a task decides about a finished model, from what it says about validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np

    from orchestrator.tasks._temperature import Temperature
    from orchestrator.tasks._thresholds import LabelThreshold


class Finishing:
    """These methods of a task; most tasks decide nothing."""

    def calibrate(
        self, outputs: NDArray[np.float32], target: NDArray[Any], weight: NDArray[np.float64] | None = None
    ) -> Temperature | None:
        """By what the outputs of a finished network are divided; None where there are no probabilities.

        Args:
            outputs: of its network for validation rows, float32 [rows, outputs].
            target: encoded, [rows].
            weight: what each row counts, [rows]; None if all count the same.
        """
        del outputs, target, weight
        return None

    def follows_temperature(self, name: str) -> bool:
        """Whether a metric is about how sure answers are, and not only about which are surer than others."""
        del name
        return False

    def decide(
        self,
        name: str,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> LabelThreshold | None:
        """From which probability on the label changes that a finished model gives; None where nothing is to be decided.

        Args:
            name: of the metric that is optimised.
            outputs: of its network for validation rows, float32 [rows, outputs].
            target: encoded, [rows].
            weight: what each row counts, [rows]; None if all count the same.
        """
        del name, outputs, target, weight
        return None

    def figures_of(
        self,
        decision: LabelThreshold,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> dict[str, float]:
        """What a decision brings on test rows, as `test`, and what the default would, as `test_default`.

        Args:
            decision: see `decide`.
            outputs, target, weight: see `decide`, but of the test rows.
        """
        del decision, outputs, target, weight
        return {}
