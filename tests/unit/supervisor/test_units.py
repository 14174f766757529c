"""The table of a unit's life, every cell of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.supervisor.units import (
    Announce,
    AskToStop,
    CancelWake,
    Event,
    Exited,
    IllegalTransition,
    Kill,
    ProbeFailed,
    ProbePassed,
    Refused,
    RestartPolicy,
    Spawn,
    StartAsked,
    State,
    StopAsked,
    Unit,
    WaitOver,
    WakeAfter,
    step,
)

POLICY = RestartPolicy()
EVENTS: tuple[Event, ...] = (
    StartAsked(),
    StopAsked(),
    Refused("no"),
    ProbePassed(),
    ProbeFailed("slow"),
    Exited("exit code 1"),
    WaitOver(),
)
LEGAL = {
    (State.STOPPED, StartAsked): State.STARTING,
    (State.STOPPED, StopAsked): State.STOPPED,
    (State.STARTING, StartAsked): State.STARTING,
    (State.STARTING, StopAsked): State.STOPPING,
    (State.STARTING, Refused): State.FAILED,
    (State.STARTING, ProbePassed): State.READY,
    (State.STARTING, ProbeFailed): State.STARTING,
    (State.STARTING, Exited): State.BACKOFF,
    (State.READY, StartAsked): State.READY,
    (State.READY, StopAsked): State.STOPPING,
    (State.READY, ProbePassed): State.READY,
    (State.READY, ProbeFailed): State.UNREADY,
    (State.READY, Exited): State.BACKOFF,
    (State.UNREADY, StartAsked): State.UNREADY,
    (State.UNREADY, StopAsked): State.STOPPING,
    (State.UNREADY, ProbePassed): State.READY,
    (State.UNREADY, ProbeFailed): State.UNREADY,
    (State.UNREADY, Exited): State.BACKOFF,
    (State.STOPPING, StopAsked): State.STOPPING,
    (State.STOPPING, ProbePassed): State.STOPPING,
    (State.STOPPING, ProbeFailed): State.STOPPING,
    (State.STOPPING, Exited): State.STOPPED,
    (State.BACKOFF, StartAsked): State.STARTING,
    (State.BACKOFF, StopAsked): State.STOPPED,
    (State.BACKOFF, WaitOver): State.STARTING,
    (State.FAILED, StartAsked): State.STARTING,
    (State.FAILED, StopAsked): State.STOPPED,
}


def play(unit: Unit, events: list[tuple[float, Event]], policy: RestartPolicy = POLICY):
    actions = ()
    for now, event in events:
        unit, actions = step(unit, event, now=now, policy=policy)
    return unit, actions


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_cell_of_the_table(state: State, event: Event) -> None:
    """A pair leads where the table says, and every other pair raises."""
    unit = Unit("x", state)
    wanted = LEGAL.get((state, type(event)))
    if wanted is None:
        with pytest.raises(IllegalTransition):
            step(unit, event, now=1.0, policy=POLICY)
    else:
        assert step(unit, event, now=1.0, policy=POLICY)[0].state is wanted


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(EVENTS)), max_size=40))
def test_no_sequence_leaves_the_declared_states(steps: list[tuple[float, Event]]) -> None:
    """Whatever happens in whatever order, a unit is in a declared state and an illegal event changes nothing."""
    unit, now = Unit("x"), 0.0
    for wait, event in steps:
        now += wait
        legal = (unit.state, type(event)) in LEGAL
        try:
            unit, actions = step(unit, event, now=now, policy=POLICY)
        except IllegalTransition:
            assert not legal
            continue
        assert legal
        assert unit.state in State
        assert (Spawn() in actions) <= (unit.state is State.STARTING)
        assert any(isinstance(action, WakeAfter) for action in actions) == (
            unit.state is State.BACKOFF and isinstance(event, Exited)
        )


def test_start_spawns_and_a_second_start_does_nothing() -> None:
    """Asking twice is asking once."""
    unit, actions = step(Unit("x"), StartAsked(), now=1.0, policy=POLICY)
    assert (unit, actions) == (Unit("x", State.STARTING, 1.0, "starting"), (Spawn(),))
    assert step(unit, StartAsked(), now=2.0, policy=POLICY) == (unit, ())


def test_first_restart_is_at_once_and_the_next_ones_wait_longer() -> None:
    """0, 0.5, 1, 2 … seconds, never more than 30."""
    delays = [POLICY.delay(streak) for streak in range(1, 12)]
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


def test_a_crash_is_announced_and_waited_after() -> None:
    """The unit says how it ended and when it starts again."""
    ready = play(Unit("x"), [(0, StartAsked()), (1, ProbePassed())])[0]
    unit, actions = step(ready, Exited("killed by SIGKILL"), now=2.0, policy=POLICY)
    assert (unit.state, unit.reason) == (State.BACKOFF, "killed by SIGKILL; starts again in 0 s")
    assert actions == (Announce("unit_unready", "failed", "killed by SIGKILL"), WakeAfter(0.0))


def crashes(count: int, *, ready: bool, apart: float = 1.0) -> Unit:
    unit, now = play(Unit("x"), [(0.0, StartAsked())])[0], 0.0
    for number in range(count):
        now += apart
        if ready:
            unit = step(unit, ProbePassed(), now=now, policy=POLICY)[0]
        unit = step(unit, Exited("exit code 3"), now=now, policy=POLICY)[0]
        if number < count - 1:
            unit = step(unit, WaitOver(), now=now, policy=POLICY)[0]
    return unit


@pytest.mark.parametrize(
    ("count", "ready", "apart", "wanted"),
    [
        (4, False, 1.0, State.BACKOFF),
        (5, False, 1.0, State.FAILED),
        (5, False, 20.0, State.BACKOFF),
        (7, True, 1.0, State.BACKOFF),
        (8, True, 1.0, State.FAILED),
        (8, True, 10.0, State.BACKOFF),
    ],
)
def test_crash_loop(count: int, ready: bool, apart: float, wanted: State) -> None:
    """Five exits in a minute without an answer, or eight of any kind, are enough."""
    assert crashes(count, ready=ready, apart=apart).state is wanted


def test_giving_up_names_the_last_exit() -> None:
    """What is shown of a failed unit is why."""
    assert crashes(5, ready=False).reason == "gave up after 5 exits within 60 s, the last one with exit code 3"


def test_a_calm_minute_forgets_earlier_crashes() -> None:
    """After 60 s of readiness the next restart is at once again."""
    unit = crashes(3, ready=True)
    unit = play(unit, [(4, WaitOver()), (5, ProbePassed()), (66, ProbePassed())])[0]
    assert (unit.streak, unit.exits) == (0, ())
    assert step(unit, Exited("exit code 1"), now=67, policy=POLICY)[1][1] == WakeAfter(0.0)


def test_a_unit_that_hangs_is_killed() -> None:
    """Neither an endless start nor an endless silence is waited out."""
    starting = play(Unit("x"), [(0, StartAsked()), (10, ProbeFailed("slow"))])
    assert starting[1] == ()
    assert step(starting[0], ProbeFailed("slow"), now=POLICY.start_deadline, policy=POLICY)[1] == (Kill(),)
    silent = play(Unit("x"), [(0, StartAsked()), (1, ProbePassed()), (2, ProbeFailed("timeout"))])[0]
    assert step(silent, ProbeFailed("timeout"), now=31.9, policy=POLICY)[1] == ()
    assert step(silent, ProbeFailed("timeout"), now=32.0, policy=POLICY)[1] == (Kill(),)


def test_stop_asks_or_cancels_the_wait() -> None:
    """A running unit is asked to end, a waiting one is simply not started again."""
    running = play(Unit("x"), [(0, StartAsked())])[0]
    assert step(running, StopAsked(), now=1, policy=POLICY)[1] == (AskToStop(),)
    waiting = step(running, Exited("exit code 1"), now=1, policy=POLICY)[0]
    unit, actions = step(waiting, StopAsked(), now=2, policy=POLICY)
    assert (unit.state, actions) == (State.STOPPED, (CancelWake(),))
    assert step(waiting, StartAsked(), now=2, policy=POLICY)[1] == (CancelWake(), Spawn())
