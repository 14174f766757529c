"""Pauses between retries, and the budget that keeps them from making an outage worse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.gateway.retries import FLOOR, MOST_SAVED, RetryBudget, pause


@pytest.mark.parametrize(("tries", "base"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 4.0)])
def test_pauses(tries: int, base: float):
    """1, 2 and 4 seconds, a fifth of it to either side."""
    assert [pause(tries, chance) for chance in (0.0, 0.5, 1.0)] == pytest.approx([base * 0.8, base, base * 1.2])


@given(st.lists(st.booleans(), max_size=500))
def test_at_most_a_fifth_of_traffic(events: list[bool]):
    """Whatever the order of requests and failures, beyond the floor one retry for each five requests."""
    budget = RetryBudget()
    earned, spent = 0, 0
    for is_request in events:
        if is_request:
            budget.earn()
            earned += 1
        else:
            spent += budget.spend()
        assert spent <= FLOOR + earned / 5 + 1e-6
        assert 0 <= budget.saved <= MOST_SAVED


def test_a_quiet_day_is_retried_and_savings_are_bounded():
    """The first failures of all have a budget; a million requests do not save up a storm."""
    fresh, rich = RetryBudget(), RetryBudget()
    for _ in range(10_000):
        rich.earn()

    assert [sum(budget.spend() for _ in range(1000)) for budget in (fresh, rich)] == [10, 50]
