"""Who runs and who waits: places for the requests of one key, first come first served.

    waiting for its session   →   waiting for its key   →   running   →   gone
        (session_concurrency)        (concurrency)

A request first gets one of its session's places, and with it waits for one of its key's. Both lines are first in, first
out, so requests of one session never overtake each other. Nothing here waits, sleeps or wakes: `enter` and `leave` say
who runs now, and the caller wakes them.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from llm_router.routing.limits import KeyLimits


class Stage(IntEnum):
    """Where a request stands."""

    NEW = 0
    SESSION = 1
    KEY = 2
    RUNNING = 3
    GONE = 4


@dataclass(slots=True, eq=False)
class Line:
    """The places of one session."""

    held: int = 0  # requests that have one of the session's places, running or not yet
    waiting: int = 0  # requests that do not run yet
    queue: "deque[Ticket] | None" = None  # made when somebody waits: most sessions never do

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self.held and not self.waiting


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in a line."""

    line: Line
    stage: Stage = Stage.NEW


@dataclass(slots=True, eq=False)
class Slots:
    """The places of one key."""

    running: int = 0
    queue: deque[Ticket] = field(default_factory=deque)

    def must_wait(self, line: Line, limits: KeyLimits) -> bool:
        """Whether a request that came now would not run at once."""
        return self._session_is_full(line, limits) or self._key_is_full(limits)

    def is_full(self, line: Line, limits: KeyLimits) -> bool:
        """Whether a request that came now would have to wait and has no place to wait in."""
        bound = limits.session_queue
        return bool(bound) and line.waiting >= bound and self.must_wait(line, limits)

    def enter(self, ticket: Ticket, limits: KeyLimits) -> bool:
        """Take a place, or one in a line. Returns whether it runs. The caller has asked `is_full`."""
        line = ticket.line
        if self._session_is_full(line, limits):
            ticket.stage = Stage.SESSION
            line.waiting += 1
            line.queue = line.queue if line.queue is not None else deque()
            line.queue.append(ticket)
            return False
        line.held += 1
        if self._key_is_full(limits):
            ticket.stage = Stage.KEY
            line.waiting += 1
            self.queue.append(ticket)
            return False
        self.running += 1
        ticket.stage = Stage.RUNNING
        return True

    def leave(self, ticket: Ticket, limits: KeyLimits) -> list[Ticket]:
        """Give back what a ticket holds, wherever it stands; twice is once. Returns those that run from now on."""
        line = ticket.line
        match ticket.stage:
            case Stage.RUNNING:
                self.running -= 1
                line.held -= 1
            case Stage.KEY:
                self.queue.remove(ticket)
                line.waiting -= 1
                line.held -= 1
            case Stage.SESSION if line.queue is not None:
                line.queue.remove(ticket)
                line.waiting -= 1
            case _:
                return []
        ticket.stage = Stage.GONE
        return self._grant(line, limits) if line.queue or self.queue else []

    def _grant(self, line: Line, limits: KeyLimits) -> list[Ticket]:
        granted: list[Ticket] = []
        while line.queue and not (limits.session_concurrency and line.held >= limits.session_concurrency):
            ticket = line.queue.popleft()
            ticket.stage = Stage.KEY
            line.held += 1
            self.queue.append(ticket)
        while self.queue and not (limits.concurrency and self.running >= limits.concurrency):
            ticket = self.queue.popleft()
            ticket.stage = Stage.RUNNING
            ticket.line.waiting -= 1
            self.running += 1
            granted.append(ticket)
        return granted

    def _session_is_full(self, line: Line, limits: KeyLimits) -> bool:
        bound = limits.session_concurrency
        return bool(bound) and (line.held >= bound or bool(line.queue))

    def _key_is_full(self, limits: KeyLimits) -> bool:
        bound = limits.concurrency
        return bool(bound) and (self.running >= bound or bool(self.queue))
