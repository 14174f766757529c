"""The health machine: its table, and what holds whatever happens and whatever the clock does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.routing.health import (
    HEALTHY,
    Availability,
    Health,
    HealthPolicy,
    State,
    Transition,
    abandon_probe,
    availability,
    begin_probe,
    failed,
    next_chance,
    paused,
    resumed,
    succeeded,
    transition,
)
from llm_router.routing.outcome import Outcome

POLICY = HealthPolicy()
NOW = 1_700_000_000.0
COUNTING = (Outcome.OUTAGE, Outcome.THROTTLE, Outcome.EXHAUSTED, Outcome.CREDENTIAL)
LONGEST = max(POLICY.cap, POLICY.probe_lease, *POLICY.caps.values())


def outages(number: int, health: Health = HEALTHY, now: float = NOW) -> Health:
    for _ in range(number):
        health = failed(health, Outcome.OUTAGE, now, POLICY)
    return health


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_third_outage_in_a_row_degrades():
    """Two do not, and a success between them begins the row anew."""
    assert [outages(number).state for number in (1, 2, 3)] == [State.HEALTHY, State.HEALTHY, State.DEGRADED]
    assert outages(2, succeeded(outages(2), NOW)).state is State.HEALTHY
    assert outages(3).until == NOW + 30


def test_each_failed_probe_doubles_the_wait_up_to_the_cap():
    """And a success forgets how often it failed."""
    health, now, waits = outages(3), NOW, []
    for _ in range(8):
        waits.append(health.until - now)
        now = health.until
        assert availability(health, now - 0.001, POLICY) is Availability.CLOSED
        assert availability(health, now, POLICY) is Availability.PROBE
        health = failed(begin_probe(health, now), Outcome.OUTAGE, now, POLICY)

    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert outages(3, succeeded(health, now), now).until == now + 30


def test_a_late_failure_moves_no_cool_down():
    """A request that was under way when the account was degraded says nothing new."""
    late = failed(outages(3), Outcome.OUTAGE, NOW + 20, POLICY)

    assert (late.state, late.until) == (State.DEGRADED, NOW + 30)


@pytest.mark.parametrize(
    ("outcome", "wait", "seconds"),
    [
        (Outcome.THROTTLE, None, 10),
        (Outcome.THROTTLE, 3, 3),
        (Outcome.THROTTLE, 0, 0),
        (Outcome.THROTTLE, -5, 10),
        (Outcome.THROTTLE, 1e9, 900),
        (Outcome.EXHAUSTED, None, 900),
        (Outcome.EXHAUSTED, 1e9, 3600),
        (Outcome.CREDENTIAL, None, 900),
        (Outcome.CREDENTIAL, 1e9, 1800),
    ],
)
def test_a_servers_own_time(outcome: Outcome, wait: float | None, seconds: float):
    """It is honoured within the cap of its reason; without one there is a default."""
    cooling = failed(HEALTHY, outcome, NOW, POLICY, wait=wait)

    assert (cooling.state, cooling.reason, cooling.until) == (State.COOLING, outcome.value, NOW + seconds)


def test_a_shorter_time_does_not_cut_a_longer_one():
    """The longer time of the same reason stands; another reason replaces it."""
    long = failed(HEALTHY, Outcome.THROTTLE, NOW, POLICY, wait=60)

    assert failed(long, Outcome.THROTTLE, NOW + 1, POLICY, wait=5) == long
    assert failed(long, Outcome.CREDENTIAL, NOW + 1, POLICY).reason == Outcome.CREDENTIAL


def test_after_a_throttle_everybody_may_come_and_after_the_rest_one_probe():
    """A throttle is over by itself; a quota or a key may not be."""
    ends = {outcome: failed(HEALTHY, outcome, NOW, POLICY, wait=5) for outcome in COUNTING[1:]}

    assert [availability(health, NOW + 5, POLICY) for health in ends.values()] == [
        Availability.OPEN,
        Availability.PROBE,
        Availability.PROBE,
    ]


def test_an_account_that_was_throttled_can_be_degraded():
    """Once the throttle is over, outages count as ever."""
    cooling = failed(HEALTHY, Outcome.THROTTLE, NOW, POLICY, wait=5)

    assert outages(3, cooling, NOW + 1).state is State.COOLING
    assert [outages(number, cooling, NOW + 6).state for number in (1, 3)] == [State.HEALTHY, State.DEGRADED]


def test_the_probe():
    """One at a time; its success heals, leaving without a verdict frees the place, its lease ends by itself."""
    degraded, now = outages(3), NOW + 30
    probing = begin_probe(degraded, now)

    assert (probing.state, availability(probing, now, POLICY)) == (State.HALF_OPEN, Availability.CLOSED)
    assert next_chance(probing, now + 20, POLICY) == 100
    assert availability(abandon_probe(probing, now), now, POLICY) is Availability.PROBE
    assert availability(probing, now + 120, POLICY) is Availability.PROBE
    assert availability(succeeded(probing, now), now, POLICY) is Availability.OPEN


def test_a_person():
    """What a person closed only a person opens; the callers' own faults never move anything."""
    held = paused(outages(3), NOW, "on holiday")
    for outcome in Outcome:
        assert failed(held, outcome, NOW, POLICY) == held
    assert succeeded(held, NOW) == held
    assert availability(held, NOW + 1e9, POLICY) is Availability.CLOSED
    assert next_chance(held, NOW, POLICY) is None
    assert resumed(NOW).state is State.HEALTHY


@pytest.mark.parametrize("health", [HEALTHY, outages(2), outages(3), begin_probe(outages(3), NOW)])
def test_a_callers_own_fault_moves_nothing(health: Health):
    """And neither does what is no failure."""
    assert failed(health, Outcome.REQUEST, NOW, POLICY) == health
    assert failed(health, Outcome.SUCCESS, NOW, POLICY) == health


def test_transitions():
    """Only a change of state is one."""
    assert transition(HEALTHY, outages(2)) is None
    assert transition(outages(2), outages(3)) == Transition(State.HEALTHY, State.DEGRADED, "outage")
    assert transition(outages(3), resumed(NOW)) == Transition(State.DEGRADED, State.HEALTHY, "outage")


# --- whatever happens ------------------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*Outcome, "claim", "abandon"]),
        st.one_of(st.none(), st.floats(-10, 1e7)),
        st.floats(-200_000, 5000),  # seconds until the next event: the clock may be set back
    ),
    max_size=30,
)


def play(events: list[tuple[Outcome | str, float | None, float]]) -> tuple[Health, float]:
    health, now = HEALTHY, NOW
    for event, wait, step in events:
        if event == "claim":
            if availability(health, now, POLICY) is Availability.PROBE:
                health = begin_probe(health, now)
        elif event == "abandon":
            health = abandon_probe(health, now)
        elif event == Outcome.SUCCESS:
            health = succeeded(health, now)
        else:
            health = failed(health, Outcome(event), now, POLICY, wait=wait)
        now += step
    return health, now


@given(EVENTS)
def test_nothing_is_closed_for_longer_than_a_cap(events: list[tuple[Outcome | str, float | None, float]]):
    """Whatever happened, and however the clock was set: after the longest cap a request may try."""
    health, now = play(events)
    chance = next_chance(health, now, POLICY)

    assert chance is not None
    assert 0 <= chance <= LONGEST
    if chance:
        assert availability(health, now, POLICY) is Availability.CLOSED
        assert availability(health, now + chance + 0.001, POLICY) is not Availability.CLOSED


@given(EVENTS)
def test_there_is_exactly_one_probe(events: list[tuple[Outcome | str, float | None, float]]):
    """Who claims it bars everybody else until it ends."""
    health, now = play(events)
    if availability(health, now, POLICY) is not Availability.PROBE:
        return
    probing = begin_probe(health, now)

    assert availability(probing, now, POLICY) is Availability.CLOSED
    assert availability(probing, now + POLICY.probe_lease - 0.001, POLICY) is Availability.CLOSED
    assert availability(succeeded(probing, now), now, POLICY) is Availability.OPEN


@given(EVENTS, st.sampled_from(COUNTING))
def test_a_success_heals_whatever_was_before(events: list[tuple[Outcome | str, float | None, float]], outcome: Outcome):
    """Failures and episodes are forgotten."""
    health, now = play([*events, (outcome, None, 0.0)])

    assert replace(succeeded(health, now), since=0.0) == HEALTHY


@given(EVENTS, st.floats(0, 1e6))
def test_a_cap_that_is_lowered_counts_for_what_waits(
    events: list[tuple[Outcome | str, float | None, float]], cap: float
):
    """A new profile's cap ends what an older one began."""
    health, now = play(events)
    caps = dict.fromkeys(COUNTING[1:], cap)
    policy = HealthPolicy(cap=cap, caps=caps, probe_lease=cap)

    chance = next_chance(health, now, policy)
    assert chance is not None
    assert chance <= cap


def test_a_clock_that_was_set_back_closes_nothing_for_long():
    """Degraded, probing and throttled: a moment before each began, all may be tried; and a throttle counts anew."""
    before = NOW - 86_400
    assert availability(outages(3), before, POLICY) is Availability.PROBE
    assert availability(begin_probe(outages(3), NOW), before, POLICY) is Availability.PROBE
    throttled = failed(HEALTHY, Outcome.THROTTLE, NOW, POLICY, wait=600)
    assert availability(throttled, before, POLICY) is Availability.OPEN

    again = failed(throttled, Outcome.THROTTLE, before, POLICY, wait=5)
    assert (again.since, again.until) == (before, before + 5)
