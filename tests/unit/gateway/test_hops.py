"""What is remembered of second hops."""

from llm_router.gateway.hops import MOST_HELD, Hop, Hops
from llm_router.wire.usage import Usage


def test_what_an_earlier_candidate_met_is_forgotten():
    """Each candidate begins with nothing, and the answered request leaves nothing."""
    hops = Hops()
    hops.begin("1")
    hops.of("1").usage = Usage(input=1, output=2)
    assert hops.of("1").usage == Usage(input=1, output=2)

    hops.begin("1")
    assert hops.of("1") == Hop()

    hops.of("1").usage = Usage(input=1)
    hops.forget("1")
    hops.forget("1")
    assert hops.of("1") == Hop()


def test_a_call_that_belongs_to_no_request():
    """It can be noted, and is kept nowhere."""
    hops = Hops()
    hops.of("nobody").usage = Usage(input=1)

    assert hops.of("nobody") == Hop()


def test_memory_is_bounded():
    """The oldest is dropped."""
    hops = Hops()
    for number in range(MOST_HELD + 1):
        hops.begin(str(number))
        hops.of(str(number)).usage = Usage(input=1)

    assert hops.of("0") == Hop()
    assert hops.of("1").usage == Usage(input=1)
