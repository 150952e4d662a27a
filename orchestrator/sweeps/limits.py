"""When a controller gives up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from orchestrator.errors import ExecutionError

# fewer failures say nothing about their share
MIN_FAILURES = 10


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        max_failures: so often a trial whose process was lost is tried again.
        failed_share: the sweep gives up when a larger share of its trials has failed.
        epoch_timeout: seconds of an epoch at most, None for no limit.
    """

    max_failures: int = 2
    failed_share: float = 0.8
    epoch_timeout: float | None = None


class Failures:
    """Trials that have failed in a session, among all that are over."""

    def __init__(self, share: float) -> None:
        """Args:
        share: see `Limits`.
        """
        self._share, self._ended = share, 0
        self._reasons: Counter[str] = Counter()

    def note_end(self, reason: str | None) -> None:
        """A trial is over; it has failed if there is a reason."""
        self._ended += 1
        if reason is not None:
            self._reasons[reason] += 1

    def reasons(self) -> str:
        """Why trials failed, the most frequent reason first."""
        return "; ".join(f"{count} x {reason}" for reason, count in self._reasons.most_common(3))

    def check(self) -> None:
        """Whether it makes sense to go on.

        Raises:
            ExecutionError: too many trials have failed; says why they did.
        """
        failed = sum(self._reasons.values())
        if failed >= MIN_FAILURES and failed > self._share * self._ended:
            raise ExecutionError(
                f"{failed} of {self._ended} trials have failed, so the sweep has given up: {self.reasons()}"
            )
