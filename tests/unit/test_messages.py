"""What a sweep and its workers tell each other is the same after the way through Ray Tune, to the last bit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runtime.tune.envelope import OBJECTIVE, attempt_of, message_of, to_config, to_result
from orchestrator.sweeps.messages import Attempt, EpochMessage, FailureMessage
from orchestrator.training import EpochReport, TrialSpec
from orchestrator.training.usage import Usage

SPEC = TrialSpec(architecture="mlp", settings={"depth": 2, "width": 16}, learning_rate=0.1 + 0.2, epochs=7)
FIGURE = st.floats(allow_nan=False)


@given(st.integers(0), st.integers(1), st.lists(st.integers(1)), st.none() | st.integers(0))
def test_an_attempt_comes_back_as_it_was(index, number, milestones, donor):
    attempt = Attempt(index=index, number=number, spec=SPEC, milestones=tuple(milestones), donor=donor, kept=3)
    assert attempt_of(to_config(attempt)) == attempt


@given(FIGURE, FIGURE, st.booleans(), st.text())
def test_a_message_of_an_epoch_comes_back_as_it_was(loss, value, last, trouble):
    report = EpochReport(
        epoch=2,
        train_loss=loss,
        validation={"log_loss": value},
        learning_rate=0.01,
        seconds=1.5,
        examples_per_second=1e5,
        best_epoch=1,
        best_value=value,
        last=last,
    )
    usage = Usage(cpu=loss, memory=1.5, memory_share=value) if last else None
    message = EpochMessage(report=report, train_seconds=loss, kept=1, stored=9, trouble=trouble, usage=usage)
    result = to_result(message)
    assert message_of(result) == message
    assert (result["done"], result[OBJECTIVE]) == (last, value)


@pytest.mark.parametrize("lost", [True, False])
def test_a_failure_comes_back_as_it_was_and_is_the_last_message(lost):
    message = FailureMessage('it "broke" in line\n2', lost)
    result = to_result(message)
    assert message_of(result) == message
    assert result["done"] and math.isnan(result[OBJECTIVE])
