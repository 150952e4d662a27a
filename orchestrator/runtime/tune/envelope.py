"""What Ray Tune carries between the controller and a trial's process: dictionaries with one message of ours inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.sweeps.messages import Attempt, TrialMessage, message_from_wire, message_to_wire

# what Tune thinks that it optimises
OBJECTIVE = "objective"
ATTEMPT, MESSAGE = "attempt", "message"


def to_config(attempt: Attempt) -> dict[str, Any]:
    """The configuration that Tune gives to a trial's process."""
    return {ATTEMPT: attempt.to_wire()}


def attempt_of(config: Mapping[str, Any]) -> Attempt:
    """The inverse of `to_config`."""
    return Attempt.from_wire(config[ATTEMPT])


def to_result(message: TrialMessage) -> dict[str, Any]:
    """The result that Tune gets from a trial's process after an epoch, or instead of one."""
    return {MESSAGE: message_to_wire(message), OBJECTIVE: message.objective, "done": message.is_last}


def message_of(result: Mapping[str, Any]) -> TrialMessage:
    """The inverse of `to_result`."""
    return message_from_wire(result[MESSAGE])
