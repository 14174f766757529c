"""A unit's life as a table: its states, what may happen to it, and what to do then.

PURE: a clock reading is an argument.

stopped ──► starting ──► ready ◄──► unready
   ▲           │  ▲        │           │
   │           ▼  │        ▼           ▼
   │         backoff ◄── (exited) ─────┘        exits too often: failed
   └── stopping ◄── (asked to stop)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """Where a unit is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"  # its process runs and has not answered yet
    READY = "ready"  # it answers
    UNREADY = "unready"  # it answered once and does not now
    STOPPING = "stopping"  # asked to end, not gone yet
    BACKOFF = "backoff"  # it exited and is started again after a wait
    FAILED = "failed"  # given up on; only a person's `start` leads out


RUNNING = frozenset({State.STARTING, State.READY, State.UNREADY})
SETTLED = frozenset({State.STOPPED, State.READY, State.FAILED})


@dataclass(frozen=True, slots=True)
class StartAsked:
    """Somebody wants the unit to run."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the unit to be gone."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The unit cannot be started at all, and trying again would not help."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProbePassed:
    """The unit answered that it is ready."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """The unit did not answer, or not as a ready one does."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The unit's process is gone; `how` is e.g. `exit code 3` or `killed by SIGKILL`."""

    how: str


@dataclass(frozen=True, slots=True)
class WaitOver:
    """The wait before the next start is over."""


Event = StartAsked | StopAsked | Refused | ProbePassed | ProbeFailed | Exited | WaitOver


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process."""


@dataclass(frozen=True, slots=True)
class AskToStop:
    """Ask the process group to end, and end it after the deadline."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End a process that hangs, at once."""


@dataclass(frozen=True, slots=True)
class WakeAfter:
    """Send `WaitOver` after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CancelWake:
    """The wait is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Write an event to the event log."""

    event: str
    result: str
    detail: str = ""


Action = Spawn | AskToStop | Kill | WakeAfter | CancelWake | Announce


class IllegalTransition(RuntimeError):
    """An event came that cannot happen in the unit's state: a bug in who sent it."""

    def __init__(self, unit: "Unit", event: Event) -> None:
        super().__init__(f"{type(event).__name__} cannot happen to `{unit.name}` while it is {unit.state}")
        self.unit, self.event = unit, event


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a crashed unit is started again, and when it is given up on. Seconds and counts."""

    first_delay: float = 0.0
    second_delay: float = 0.5
    longest_delay: float = 30.0
    calm: float = 60.0  # of readiness, after which earlier exits are forgotten
    window: float = 60.0
    exits_unready: int = 5  # in the window, without having been ready
    exits_any: int = 8  # in the window
    start_deadline: float = 180.0  # a unit that is not ready by then is ended and started again
    unready_deadline: float = 30.0

    def delay(self, streak: int) -> float:
        """The wait before restart number `streak` (from 1) since the unit was last calm."""
        if streak <= 1:
            return self.first_delay
        return min(self.second_delay * 2.0 ** min(streak - 2, 30), self.longest_delay)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit as the supervisor sees it. Times are readings of the clock that `step` is given."""

    name: str
    state: State = State.STOPPED
    since: float = 0.0
    reason: str = ""
    restarts: int = 0  # since the unit was last asked to start
    streak: int = 0  # restarts since it was last calm
    exits: tuple[float, ...] = ()
    exits_unready: tuple[float, ...] = ()
    was_ready: bool = False  # the present process answered at least once
    last_exit: str = ""

    def become(self, state: State, now: float, reason: str = "") -> "Unit":
        """This unit in another state from `now` on."""
        return replace(self, state=state, since=now, reason=reason)


Step = tuple[Unit, tuple[Action, ...]]


def step(unit: Unit, event: Event, *, now: float, policy: RestartPolicy) -> Step:
    """What `event` makes of `unit`, and what is to be done. Raises IllegalTransition."""
    handler = _TABLE.get((unit.state, type(event)))
    if handler is None:
        raise IllegalTransition(unit, event)
    return handler(unit, event, now, policy)


Handler = Callable[[Unit, Event, float, RestartPolicy], Step]


def _start(unit: Unit, _event: Event, now: float, _policy: RestartPolicy) -> Step:
    cancel: tuple[Action, ...] = (CancelWake(),) if unit.state is State.BACKOFF else ()
    return Unit(unit.name, State.STARTING, now, "starting", last_exit=unit.last_exit), (*cancel, Spawn())


def _again(unit: Unit, _event: Event, now: float, _policy: RestartPolicy) -> Step:
    again = replace(unit, was_ready=False, restarts=unit.restarts + 1)
    return again.become(State.STARTING, now, f"starting again after {unit.last_exit}"), (Spawn(),)


def _refuse(unit: Unit, event: Event, now: float, _policy: RestartPolicy) -> Step:
    reason = event.reason if isinstance(event, Refused) else ""
    return unit.become(State.FAILED, now, reason), (Announce("unit_failed", "failed", reason),)


def _ready(unit: Unit, _event: Event, now: float, _policy: RestartPolicy) -> Step:
    return replace(unit, was_ready=True).become(State.READY, now), (Announce("unit_ready", "success"),)


def _still_ready(unit: Unit, _event: Event, now: float, policy: RestartPolicy) -> Step:
    calm = unit.streak > 0 and now - unit.since >= policy.calm
    return (replace(unit, streak=0, exits=(), exits_unready=()) if calm else unit), ()


def _unready(unit: Unit, event: Event, now: float, _policy: RestartPolicy) -> Step:
    reason = event.reason if isinstance(event, ProbeFailed) else ""
    return unit.become(State.UNREADY, now, reason), (Announce("unit_unready", "failed", reason),)


def _still_unready(unit: Unit, event: Event, now: float, policy: RestartPolicy) -> Step:
    reason = event.reason if isinstance(event, ProbeFailed) else unit.reason
    deadline = policy.start_deadline if unit.state is State.STARTING else policy.unready_deadline
    hangs = now - unit.since >= deadline
    return replace(unit, reason=reason), (Kill(),) if hangs else ()


def _exited(unit: Unit, event: Event, now: float, policy: RestartPolicy) -> Step:
    how = event.how if isinstance(event, Exited) else ""
    calm = unit.state is State.READY and now - unit.since >= policy.calm
    recent = tuple(at for at in (*(() if calm else unit.exits), now) if now - at < policy.window)
    unready = () if unit.was_ready else tuple(at for at in (*unit.exits_unready, now) if now - at < policy.window)
    streak = 1 if calm else unit.streak + 1
    gone = replace(unit, streak=streak, exits=recent, exits_unready=unready, last_exit=how)
    if len(unready) >= policy.exits_unready or len(recent) >= policy.exits_any:
        count = len(unready) if len(unready) >= policy.exits_unready else len(recent)
        reason = f"gave up after {count} exits within {policy.window:g} s, the last one with {how}"
        return gone.become(State.FAILED, now, reason), (Announce("unit_failed", "failed", reason),)
    wait = policy.delay(streak)
    waiting = gone.become(State.BACKOFF, now, f"{how}; starts again in {wait:g} s")
    return waiting, (Announce("unit_unready", "failed", how), WakeAfter(wait))


def _stop(unit: Unit, _event: Event, now: float, _policy: RestartPolicy) -> Step:
    return unit.become(State.STOPPING, now, "stopping"), (AskToStop(),)


def _stop_waiting(unit: Unit, _event: Event, now: float, _policy: RestartPolicy) -> Step:
    return unit.become(State.STOPPED, now), (CancelWake(),)


def _stopped(unit: Unit, event: Event, now: float, _policy: RestartPolicy) -> Step:
    how = event.how if isinstance(event, Exited) else unit.last_exit
    return replace(unit, last_exit=how).become(State.STOPPED, now), ()


def _same(unit: Unit, _event: Event, _now: float, _policy: RestartPolicy) -> Step:
    return unit, ()


_TABLE: Mapping[tuple[State, type], Handler] = {
    (State.STOPPED, StartAsked): _start,
    (State.STOPPED, StopAsked): _same,
    (State.STARTING, StartAsked): _same,
    (State.STARTING, StopAsked): _stop,
    (State.STARTING, Refused): _refuse,
    (State.STARTING, ProbePassed): _ready,
    (State.STARTING, ProbeFailed): _still_unready,
    (State.STARTING, Exited): _exited,
    (State.READY, StartAsked): _same,
    (State.READY, StopAsked): _stop,
    (State.READY, ProbePassed): _still_ready,
    (State.READY, ProbeFailed): _unready,
    (State.READY, Exited): _exited,
    (State.UNREADY, StartAsked): _same,
    (State.UNREADY, StopAsked): _stop,
    (State.UNREADY, ProbePassed): _ready,
    (State.UNREADY, ProbeFailed): _still_unready,
    (State.UNREADY, Exited): _exited,
    (State.STOPPING, StopAsked): _same,
    (State.STOPPING, ProbePassed): _same,
    (State.STOPPING, ProbeFailed): _same,
    (State.STOPPING, Exited): _stopped,
    (State.BACKOFF, StartAsked): _start,
    (State.BACKOFF, StopAsked): _stop_waiting,
    (State.BACKOFF, WaitOver): _again,
    (State.FAILED, StartAsked): _start,
    (State.FAILED, StopAsked): _stopped,
}
