"""What is remembered of second hops."""

from llm_router.gateway.hops import MOST_HELD, Hops
from llm_router.wire.errors import Failure


def test_a_failure_is_remembered_until_it_is_answered():
    """The last one counts."""
    hops, first, last = Hops(), Failure(500, "a", "a"), Failure(429, "b", "b")
    hops.note("1", first)
    hops.note("1", last)

    assert hops.failure_of("1") is last
    hops.forget("1")
    hops.forget("1")
    assert hops.failure_of("1") is None


def test_memory_is_bounded():
    """The oldest is dropped."""
    hops = Hops()
    for number in range(MOST_HELD + 1):
        hops.note(str(number), Failure(500, "a", "a"))

    assert hops.failure_of("0") is None
    assert hops.failure_of("1") is not None
