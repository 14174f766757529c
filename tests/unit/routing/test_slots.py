"""Lines and places, against a plain model that does the same by looking at everything."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.routing.limits import UNLIMITED, KeyLimits
from llm_router.routing.slots import Line, Slots, Stage, Ticket


def limits(session: int, key: int, queue: int = 0) -> KeyLimits:
    return KeyLimits(0, 0, 0, 0, session, queue, key)


def test_a_request_waits_for_its_session_then_for_its_key():
    """The stages of one request, in order."""
    bounds, slots = limits(1, 1), Slots()
    line, other = Line(), Line()
    first, second, third = Ticket(line), Ticket(line), Ticket(other)

    assert [slots.enter(ticket, bounds) for ticket in (first, second, third)] == [True, False, False]
    assert [ticket.stage for ticket in (first, second, third)] == [Stage.RUNNING, Stage.SESSION, Stage.KEY]
    assert slots.leave(first, bounds) == [third]
    assert second.stage is Stage.KEY
    assert slots.leave(third, bounds) == [second]
    assert slots.leave(second, bounds) == []
    assert (slots.running, line.is_idle, other.is_idle) == (0, True, True)


def test_leaving_twice_is_leaving_once():
    """The second time frees nothing."""
    bounds, slots = limits(0, 2), Slots()
    ticket, other = Ticket(Line()), Ticket(Line())
    slots.enter(ticket, bounds)
    slots.enter(other, bounds)

    assert slots.leave(ticket, bounds) == slots.leave(ticket, bounds) == []
    assert slots.running == 1


@pytest.mark.parametrize(("waiting", "full"), [(1, False), (2, True)])
def test_the_line_is_bounded(waiting, full):
    """Full is when one more would have to wait and may not."""
    bounds, slots, line = limits(1, 0, 2), Slots(), Line()
    assert not slots.is_full(line, bounds)
    for _ in range(1 + waiting):
        slots.enter(Ticket(line), bounds)

    assert slots.is_full(line, bounds) is full
    assert not slots.is_full(Line(), bounds)


def test_without_limits_everybody_runs():
    """Zero is off."""
    slots, line = Slots(), Line()

    assert all(slots.enter(Ticket(line), UNLIMITED) for _ in range(100))


@given(st.integers(0, 3), st.integers(0, 4), st.integers(1, 4), st.integers(0, 2**32), st.integers(1, 120))
def test_no_order_of_comings_and_goings_breaks_it(session, key, lines, seed, steps):
    """Never more than the limits, never an idle place while somebody could have it, first come first served."""
    bounds, slots, chance = limits(session, key), Slots(), random.Random(seed)
    held = [Line() for _ in range(lines)]
    present: list[Ticket] = []
    arrivals: list[Ticket] = []

    for _ in range(steps):
        if present and chance.random() < 0.5:
            leaving = present.pop(chance.randrange(len(present)))
            for ticket in slots.leave(leaving, bounds):
                assert ticket in present
        else:
            ticket = Ticket(chance.choice(held))
            arrivals.append(ticket)
            present.append(ticket)
            assert slots.enter(ticket, bounds) == (ticket.stage is Stage.RUNNING)
        _consistent(slots, held, present, bounds)
        for line in held:
            stages = [ticket.stage for ticket in arrivals if ticket.line is line and ticket.stage is not Stage.GONE]
            assert stages == sorted(stages, reverse=True), "a later request of a session overtook an earlier one"

    for ticket in present:
        slots.leave(ticket, bounds)
    assert (slots.running, len(slots.queue), [line.is_idle for line in held]) == (0, 0, [True] * lines)


def _consistent(slots, lines, present, bounds):
    running = [ticket for ticket in present if ticket.stage is Stage.RUNNING]
    assert slots.running == len(running)
    assert not bounds.concurrency or slots.running <= bounds.concurrency
    assert not slots.queue or slots.running == bounds.concurrency
    for line in lines:
        own = [ticket for ticket in present if ticket.line is line]
        places = [ticket for ticket in own if ticket.stage in (Stage.RUNNING, Stage.KEY)]
        assert (line.held, line.waiting) == (len(places), sum(ticket.stage is not Stage.RUNNING for ticket in own))
        assert not bounds.session_concurrency or line.held <= bounds.session_concurrency
        assert not line.queue or line.held == bounds.session_concurrency
