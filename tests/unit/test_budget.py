"""The time budget on a simulated clock."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sweeps.budget import EXPORT_SECONDS, MOST_END_SECONDS, TimeBudget

seconds = st.floats(0, 1000)


@given(budget=st.floats(0.001, 10_000), start=seconds, epoch=seconds, share=st.floats(0, 2))
def test_a_search_begins_with_its_first_trial_has_half_of_the_time_and_leaves_the_rest_to_its_end(
    budget, start, epoch, share
):
    now = [50.0]
    time_budget = TimeBudget(budget, share, lambda: now[0])
    now[0] += start
    assert not time_budget.is_spent
    time_budget.begin()
    time_budget.note_epoch(epoch)
    begun = now[0]
    assert time_budget.reserve <= budget / 2
    now[0] = begun + 0.4 * budget
    assert not time_budget.is_spent
    now[0] = begun + 1.001 * budget
    assert time_budget.is_spent


def test_the_end_is_longer_on_a_busy_machine_and_with_long_epochs():
    def reserve(start, epoch):
        now = [0.0]
        budget = TimeBudget(1000, 0.25, lambda: now[0])
        now[0] = start
        budget.begin()
        budget.note_epoch(epoch)
        return budget.reserve

    def combined(trials, candidates, folds=1):
        budget = TimeBudget(1000, 0.25, lambda: 0.0, candidates=candidates, validation_share=0.2, folds=folds)
        for _ in range(trials):
            budget.begin()
        budget.note_epoch(10)
        return budget.reserve

    # an ensemble of those that there are, of no more than may be in it
    assert combined(3, 0) < combined(3, 0, folds=5) < combined(3, 25, folds=5) < combined(9, 25, folds=5)
    assert combined(1, 0) == combined(3, 0) < combined(1, 25) < combined(3, 25) < combined(25, 25) == combined(99, 25)
    assert reserve(1, 0.1) < reserve(20, 0.1) < reserve(20, 100)
    # waiting for nodes is no sign of a slow machine
    assert reserve(900, 0) == MOST_END_SECONDS + EXPORT_SECONDS
