"""State in Redis: several gateways, on one machine or many, agree on limits, health, affinity and turns.

Redis gone: requests of a key that has limits are refused (`Limit.STATE`), because nobody can count them; health, turns
and affinity go on with what this gateway knows itself. Both moments are events, and it recovers by itself.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import Redis

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, State, availability, begin_probe
from llm_router.routing.limits import (
    Ask,
    KeyLimits,
    Refused,
    budget_refusal,
    check_messages,
    queue_refusal,
    rate_refusal,
    state_refusal,
)
from llm_router.state.leases import LEASE, Leases, RedisTicket
from llm_router.state.link import CONNECT_LIMIT, Link, Unreachable
from llm_router.state.port import (
    AFFINITY_TTL,
    Admitted,
    HealthChange,
    HealthChanged,
    OnEvent,
    OnWait,
    SessionUse,
    is_forgettable,
    no_event,
)
from llm_router.state.scripts import SWAP
from llm_router.state.windows import Windows

DEFAULT_PREFIX = "llm-router"
HEALTH_TTL = 0.1  # for so long a gateway believes what it read; what it changed itself it knows at once
_MOST_KNOWN = 10_000
_MOST_SWAPS = 50  # a change that loses so many races in a row is made here alone


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """`prefix` keeps installations on one server apart; times in seconds."""

    prefix: str = DEFAULT_PREFIX
    lease: float = LEASE
    affinity_ttl: float = AFFINITY_TTL
    health_ttl: float = HEALTH_TTL


DEFAULT_OPTIONS = RedisOptions()


class RedisStore:
    """The store of gateways that share one Redis. Owns `client`."""

    def __init__(self, client: Redis, *, options: RedisOptions = DEFAULT_OPTIONS, on_event: OnEvent = no_event) -> None:
        self._link = Link(client, on_event)
        self._client = client
        self._prefix = f"{options.prefix}:"
        self._affinity_ms = str(int(options.affinity_ttl * 1000))
        self._leases = Leases(self._link, self._prefix, Windows(client, self._prefix), options.lease)
        self._health_ttl = options.health_ttl
        self._read_at: dict[str, float] = {}  # by the loop's clock
        self._swap: Any = client.register_script(SWAP)
        self._known: dict[str, Health] = {}
        self._turns: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect, and begin to renew leases and to hear who may run."""
        await self._link.look()
        self._tasks = [
            asyncio.create_task(self._leases.run(), name="state-leases"),
            asyncio.create_task(self._leases.listen(), name="state-grants"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_LIMIT if self._link.is_up else 0):
                await self._leases.hears.wait()

    async def close(self) -> None:
        """Give back what is owed, and disconnect. What is still held falls free after a lease."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(Unreachable):
            await self._leases.pay()
        await self._link.close()

    def now(self) -> float:
        """Seconds since the epoch by the server's clock."""
        return self._link.now()

    # ── limits

    async def admit(self, ask: Ask, on_wait: OnWait | None = None) -> Admitted | Refused:
        """Check every limit and count the request; wait while it has no place."""
        limits = ask.limits
        if refused := check_messages(limits, ask.messages):
            return refused
        if not is_counted(limits):
            return Admitted(ask, None)
        ticket = self._leases.new(ask)
        try:
            if refused := await self._enter(ticket):
                return refused
            if ticket.stage == "r":
                return Admitted(ask, ticket)
            return await self._wait(ticket, on_wait)
        except Unreachable:
            self._leases.abandon(ticket)
            return state_refusal()
        except BaseException:
            self._leases.abandon(ticket)
            raise

    async def finish(self, admitted: Admitted, charge: int) -> None:
        """Free its place and turn its reservation into `charge` tokens; later, when Redis is away."""
        if admitted.finished:
            return
        admitted.finished = True
        if isinstance(admitted.handle, RedisTicket):
            await self._leases.leave(admitted.handle, charge)

    async def session_use(self, key: str, session: str) -> SessionUse:
        """What a session has used; nothing while Redis is away."""
        place = f"{self._prefix}{key}:s:{session}"
        try:
            charged, reserved = await self._link.ask(lambda: _now(self._client.hmget(place, ["charged", "reserved"])))
        except Unreachable:
            return SessionUse()
        return SessionUse(int(charged or 0), int(reserved or 0))

    async def _enter(self, ticket: RedisTicket) -> Refused | None:
        ask, limits = ticket.ask, ticket.ask.limits
        entry = await self._leases.enter(ticket)
        match entry.refusal:
            case "budget":
                return budget_refusal(limits, entry.used, ask.tokens)
            case "rate":
                return rate_refusal(limits, entry.wait)
            case "queue":
                return queue_refusal(limits)
        return None

    async def _wait(self, ticket: RedisTicket, on_wait: OnWait | None) -> Admitted | Refused:
        if on_wait is not None:
            on_wait(ticket.waiting)
        clock = asyncio.get_running_loop().time
        began = clock()
        behind = await ticket.woken
        if behind is None:
            self._leases.abandon(ticket)
            return state_refusal()
        return Admitted(ticket.ask, ticket, ticket.waiting, clock() - began, behind)

    # ── health

    async def health(self, names: Sequence[str]) -> Mapping[str, Health]:
        """What is known of each candidate, read a moment ago; while Redis is away, what this gateway knows."""
        now = asyncio.get_running_loop().time()
        old = [name for name in names if now - self._read_at.get(name, -math.inf) >= self._health_ttl]
        if old:
            if len(self._read_at) > _MOST_KNOWN:
                self._read_at.clear()
            if all(name in self._read_at for name in old):
                # One request looks again; the others go on with what was read before.
                self._read_at.update(dict.fromkeys(old, now))
            with contextlib.suppress(Unreachable):
                held = await self._link.ask(lambda: self._link.pipe.command("HMGET", f"{self._prefix}health", *old))
                self._remember({name: _read(text) for name, text in zip(old, held, strict=True)})
                self._read_at.update(dict.fromkeys(old, now))
        return {name: self._known.get(name, HEALTHY) for name in names}

    async def all_health(self) -> Mapping[str, Health]:
        """What is known of every candidate."""
        try:
            held = await self._link.ask(lambda: _now(self._client.hgetall(f"{self._prefix}health")))
        except Unreachable:
            return dict(self._known)
        return {name: _read(text) for name, text in held.items()}

    async def change_health(self, name: str, change: HealthChange) -> HealthChanged:
        """Apply a pure change; it is computed again when another gateway was faster."""
        place = f"{self._prefix}health"
        try:
            text = await self._link.ask(lambda: _now(self._client.hget(place, name))) or ""
            for _ in range(_MOST_SWAPS):
                before = _read(text)
                after = change(before)
                if after == before:
                    return HealthChanged(before, after)
                done, text = await self._link.ask(_swapping(self._swap, place, [name, text, _write(after)]))
                if done:
                    self._remember({name: after})
                    return HealthChanged(before, after)
        except Unreachable:
            pass
        before = self._known.get(name, HEALTHY)
        self._remember({name: change(before)})
        return HealthChanged(before, self._known.get(name, HEALTHY))

    async def claim(self, name: str, policy: HealthPolicy) -> Availability:
        """OPEN, PROBE for exactly one gateway's request, or CLOSED."""
        found = Availability.OPEN

        def probe(health: Health) -> Health:
            nonlocal found
            now = self.now()
            found = availability(health, now, policy)
            return begin_probe(health, now) if found is Availability.PROBE else health

        await self.change_health(name, probe)
        return found

    def _remember(self, found: Mapping[str, Health]) -> None:
        for name, health in found.items():
            if is_forgettable(health):
                self._known.pop(name, None)
            else:
                self._known[name] = health

    # ── affinity and turns

    async def affinity(self, session: str) -> str | None:
        """The candidate that a session is bound to; None while Redis is away."""
        try:
            held = await self._link.ask(
                lambda: self._link.pipe.command("GETEX", self._binding(session), "PX", self._affinity_ms)
            )
        except Unreachable:
            return None
        return str(held) if held is not None else None

    async def bind(self, session: str, name: str) -> None:
        """Bind a session to a candidate."""
        with contextlib.suppress(Unreachable):
            await self._link.ask(
                lambda: self._link.pipe.command("SET", self._binding(session), name, "PX", self._affinity_ms)
            )

    async def unbind(self, session: str) -> None:
        """Forget a session's candidate."""
        with contextlib.suppress(Unreachable):
            await self._link.ask(lambda: _now(self._client.delete(self._binding(session))))

    async def turn(self, model: str) -> int:
        """The number of this choice; this gateway's own count while Redis is away."""
        try:
            number = (
                int(
                    await self._link.ask(lambda: self._link.pipe.command("HINCRBY", f"{self._prefix}turns", model, "1"))
                )
                - 1
            )
        except Unreachable:
            number = self._turns.get(model, -1) + 1
        self._turns[model] = number
        return number

    def _binding(self, session: str) -> str:
        return f"{self._prefix}bound:{session}"


def is_counted(limits: KeyLimits) -> bool:
    """Whether any limit needs to be agreed on with others."""
    return bool(limits.requests_per_minute or limits.session_tokens or limits.session_concurrency or limits.concurrency)


def _swapping(script: Any, place: str, arguments: list[str]) -> Callable[[], Any]:  # noqa: ANN401 - redis types are loose
    return lambda: script(keys=[place], args=arguments)


def _now(answer: Any) -> Any:  # noqa: ANN401 - redis-py types answers of both its clients in one
    return answer


def _read(text: str | None) -> Health:
    """What another gateway wrote; what cannot be read is as if nothing were known."""
    if not text:
        return HEALTHY
    try:
        held = json.loads(text)
        return Health(**{**held, "state": State(held["state"])})
    except (ValueError, KeyError, TypeError):
        return HEALTHY


def _write(health: Health) -> str:
    return "" if is_forgettable(health) else json.dumps(asdict(health))
