"""A gateway's tickets in Redis: taken, waited for, renewed while they are held, and given back, even after an outage.

A gateway that dies renews nothing, and what it held is free after a lease. What could not be given back because Redis
was away is kept and given back when it answers again; the server takes each ticket back once.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from itertools import batched, count
from typing import Any

from redis.exceptions import RedisError

from llm_router.routing.limits import Ask
from llm_router.state.link import ASK_AGAIN, Link, Unreachable
from llm_router.state.pipe import Script
from llm_router.state.port import SESSION_TTL
from llm_router.state.scripts import FINISH, RENEW, admit_script
from llm_router.state.windows import Windows

LEASE = 30.0  # seconds
_RENEWALS = 6  # a lease
_MOST_OWED = 100_000  # results kept for an outage; the oldest go first
_AT_ONCE = 200  # tickets renewed by one script
_RUNNING = "r"
_FINISH, _RENEW = Script(FINISH), Script(RENEW)


@dataclass(slots=True, eq=False)
class RedisTicket:
    """One request's place. `woken` gives how many wait behind it, or None when the server lost the ticket."""

    id: str
    ask: Ask
    woken: asyncio.Future[int | None]
    stage: str = ""
    waiting: int = 0


@dataclass(slots=True)
class Entry:
    """How the server answered: a refusal's name and number, or a place."""

    refusal: str = ""  # budget | rate | queue
    used: int = 0  # of the budget
    wait: float = 0.0  # seconds until one more request fits into the minute


@dataclass(slots=True)
class Leases:
    """The tickets of this process. `run` and `listen` are the two tasks that its owner keeps."""

    link: Link
    prefix: str
    windows: Windows
    lease: float = LEASE
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)
    held: dict[str, RedisTicket] = field(default_factory=dict)
    owed: deque[tuple[Ask, str, int]] = field(default_factory=lambda: deque(maxlen=_MOST_OWED))
    hears: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "count[int]" = field(default_factory=count)
    _kick: asyncio.Event = field(default_factory=asyncio.Event)
    _admit: Script = field(init=False)

    def __post_init__(self) -> None:
        """Put the script of an admission together."""
        self._admit = Script(admit_script(self.windows.script))

    def new(self, ask: Ask) -> RedisTicket:
        """A ticket that holds nothing yet."""
        return RedisTicket(f"{self.worker}.{next(self._numbers)}", ask, asyncio.get_running_loop().create_future())

    async def enter(self, ticket: RedisTicket) -> Entry:
        """Take a place or a place in line. Raises Unreachable."""
        ask = ticket.ask
        self.held[ticket.id] = ticket  # before the answer: the word that it runs may be faster
        arguments = [*self._common(ask), ticket.id, ask.session, ask.tokens]
        rate = ask.limits.requests_per_minute
        arguments += [ask.limits.session_tokens, ask.limits.session_queue, rate]
        arguments += [self.windows.place(ask.key) if rate else ""]
        stage, number = await self.link.ask(lambda: self.link.pipe.run(self._admit, arguments))
        if stage in ("budget", "rate", "queue"):
            self.held.pop(ticket.id, None)
            return Entry(stage, int(number), int(number) / 1_000_000)
        ticket.stage, ticket.waiting = ticket.stage or stage, int(number)
        return Entry()

    async def leave(self, ticket: RedisTicket, charge: int) -> None:
        """Give a place back; when Redis is away, later. Raises nothing."""
        self.held.pop(ticket.id, None)
        try:
            await self._leave(ticket.ask, ticket.id, charge)
        except Unreachable:
            self._owe(ticket, charge)
        except asyncio.CancelledError:
            self._owe(ticket, charge)
            raise

    def abandon(self, ticket: RedisTicket) -> None:
        """Give back what a cancelled request may hold, without waiting for it."""
        self.held.pop(ticket.id, None)
        self._owe(ticket, 0)

    async def run(self) -> None:
        """Renew, pay what is owed, and look whether Redis is back, until cancelled."""
        while True:
            self._kick.clear()
            await self.link.look()
            with contextlib.suppress(Unreachable):
                await self.pay()
                await self.renew()
            waiting = any(not ticket.woken.done() and ticket.stage != _RUNNING for ticket in self.held.values())
            pause = self.lease / _RENEWALS
            if waiting:
                pause = min(pause, 1.0)
            if not self.link.is_up:
                await asyncio.sleep(ASK_AGAIN)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._kick.wait()

    async def pay(self) -> None:
        """Send what is owed. Raises Unreachable."""
        while self.owed:
            ask, ticket, charge = self.owed[0]
            await self._leave(ask, ticket, charge)
            self.owed.popleft()

    async def renew(self) -> None:
        """Keep the leases, and learn what became of the tickets that wait. Raises Unreachable."""
        by_key: dict[str, list[RedisTicket]] = {}
        for ticket in list(self.held.values()):
            if ticket.stage:
                by_key.setdefault(ticket.ask.key, []).append(ticket)
        for tickets in by_key.values():
            for some in batched(tickets, _AT_ONCE):
                await self._renew_some(some)

    async def listen(self) -> None:
        """Hear on this worker's channel who may run, until cancelled."""
        while True:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with self.link.client.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(f"{self.prefix}granted:{self.worker}")
                    self.hears.set()
                    self._kick.set()  # what was granted while nobody listened is learnt by asking
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        if message is not None:
                            name, _, behind = message["data"].partition(" ")
                            self._granted(name, int(behind))
            self.hears.clear()
            await asyncio.sleep(ASK_AGAIN)

    def _granted(self, name: str, behind: int) -> None:
        ticket = self.held.get(name)
        if ticket is not None:
            ticket.stage = _RUNNING
            if not ticket.woken.done():
                ticket.woken.set_result(behind)

    async def _renew_some(self, tickets: Iterable[RedisTicket]) -> None:
        some = list(tickets)
        arguments = self._common(some[0].ask)
        for ticket in some:
            arguments += [ticket.id, ticket.ask.session, ticket.ask.tokens, ticket.stage]
        stages = await self.link.ask(lambda: self.link.pipe.run(_RENEW, arguments))
        for ticket, stage in zip(some, stages, strict=True):
            if stage == _RUNNING:
                self._granted(ticket.id, 0)
            elif not stage and ticket.id in self.held and not ticket.woken.done():
                ticket.woken.set_result(None)

    def _owe(self, ticket: RedisTicket, charge: int) -> None:
        self.owed.append((ticket.ask, ticket.id, charge))
        self._kick.set()

    def _leave(self, ask: Ask, ticket: str, charge: int) -> Awaitable[Any]:
        arguments = [*self._common(ask), ticket, ask.session, max(0, charge)]
        return self.link.ask(lambda: self.link.pipe.run(_FINISH, arguments))

    def _common(self, ask: Ask) -> list[str | int | float]:
        limits = ask.limits
        ttl = int(SESSION_TTL)
        return [self.prefix, ask.key, limits.session_concurrency, limits.concurrency, self.lease, ttl]
