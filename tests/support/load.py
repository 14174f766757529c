"""A steady stream of requests at an endpoint, with every one of them accounted for.

The load is open: requests begin on schedule whether or not earlier ones have ended, so a pause of the server shows as
waiting requests and never as fewer requests.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

LONGEST_REQUEST = 120.0
MOST_CONNECTIONS = 4000


@dataclass(frozen=True, slots=True)
class Target:
    """What one lane is asked, over and over; `expect` stands in every good answer."""

    lane: str
    path: str
    body: Mapping[str, Any]
    per_second: float
    expect: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: its lane, when it began and ended (monotonic seconds), its status, and what went wrong, or ""."""

    lane: str
    began: float
    ended: float
    status: int | None
    error: str

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.ended - self.began

    def in_flight_at(self, moment: float) -> bool:
        """Whether the request had begun and not ended then."""
        return self.began <= moment <= self.ended


@dataclass(slots=True)
class Load:
    """Requests run inside `async with`; leaving it stops sending and waits for the last answer."""

    base_url: str
    key: str
    targets: tuple[Target, ...]
    keep_alive: bool = True
    outcomes: list[Outcome] = field(default_factory=list)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _session: aiohttp.ClientSession | None = None
    _pacers: list[asyncio.Task[None]] = field(default_factory=list)
    _requests: set[asyncio.Task[None]] = field(default_factory=set)
    _sent: int = 0

    async def __aenter__(self) -> Self:
        """Start sending."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, force_close=not self.keep_alive),
            timeout=aiohttp.ClientTimeout(total=LONGEST_REQUEST),
            headers={"Authorization": f"Bearer {self.key}", "anthropic-version": "2023-06-01"},
        )
        for target in self.targets:
            self._pacers.append(asyncio.create_task(self._pace(target), name=f"pace of {target.lane}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop sending, wait for what is in flight, close."""
        self._stopping.set()
        await asyncio.gather(*self._pacers)
        await asyncio.gather(*self._requests)
        if self._session is not None:
            await self._session.close()

    @property
    def sent(self) -> int:
        """How many requests were begun; once the load has ended, as many outcomes stand in `outcomes`."""
        return self._sent

    async def answers(self, more: int, *, within: float) -> None:
        """Wait until `more` further requests have ended, well or not. Raises TimeoutError."""
        wanted = len(self.outcomes) + more
        async with asyncio.timeout(within):
            while len(self.outcomes) < wanted:
                self._news.clear()
                await self._news.wait()

    async def _pace(self, target: Target) -> None:
        first, number = time.monotonic(), 0
        while not self._stopping.is_set():
            delay = first + number / target.per_second - time.monotonic()
            if delay > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
                continue
            number += 1
            self._sent += 1
            task = asyncio.create_task(self._ask(target), name=f"{target.lane} {number}")
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _ask(self, target: Target) -> None:
        if self._session is None:
            raise RuntimeError("the load has not begun")
        began, status, error = time.monotonic(), None, ""
        try:
            async with self._session.post(self.base_url + target.path, json=target.body) as response:
                status = response.status
                text = (await response.read()).decode()
            if status != 200 or target.expect not in text:
                error = f"status {status}: {text[:120]} … {text[-240:]}"
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self.outcomes.append(Outcome(target.lane, began, time.monotonic(), status, error))
        self._news.set()


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The requests that went wrong, in the order in which they ended."""
    return [outcome for outcome in outcomes if outcome.error]


def summary(outcomes: Iterable[Outcome]) -> str:
    """Per lane: how many, how many failed, how long they took, and the kinds of failure; for assertion messages."""
    held = list(outcomes)
    lanes: dict[str, Any] = {}
    for lane in sorted({outcome.lane for outcome in held}):
        mine = [outcome for outcome in held if outcome.lane == lane]
        waits = sorted(outcome.seconds for outcome in mine)
        lanes[lane] = {
            "requests": len(mine),
            "failed": len(failures(mine)),
            "median_ms": round(waits[len(waits) // 2] * 1000, 1),
            "longest_ms": round(waits[-1] * 1000, 1),
            "errors": Counter(outcome.error for outcome in failures(mine)).most_common(5),
        }
    return json.dumps(lanes, indent=2)
