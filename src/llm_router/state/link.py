"""The connection to Redis: whether it answers, who is told when that changes, and how it comes back by itself."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from llm_router.state.pipe import Pipe
from llm_router.state.port import OnEvent

CONNECT_LIMIT = 1.0  # seconds
ANSWER_LIMIT = 2.0  # seconds
ASK_AGAIN = 0.5  # seconds between two looks whether it is back
MOST_CONNECTIONS = 64


class Unreachable(Exception):
    """Redis does not answer."""


def connect(url: str, password: str | None) -> Redis:
    """A client of the server at `url`; it connects when it is first asked. Raises ValueError for another URL."""
    pool = BlockingConnectionPool.from_url(
        url,
        **({"password": password} if password else {}),
        decode_responses=True,
        max_connections=MOST_CONNECTIONS,
        timeout=ANSWER_LIMIT,
        socket_timeout=ANSWER_LIMIT,
        socket_connect_timeout=CONNECT_LIMIT,
        # A script that is sent again could count twice; what is safe to repeat is repeated by us.
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


class Link:
    """Asks Redis, and remembers whether it answers."""

    def __init__(self, client: Redis, on_event: OnEvent) -> None:
        self.client = client
        self.pipe = Pipe(client, ANSWER_LIMIT)
        self.is_up = True
        self._on_event = on_event
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch by the server's clock, as it was last heard; this machine's before that."""
        return time.monotonic() + self._offset

    async def ask[Answer](self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Raises Unreachable: at once while Redis is known not to answer."""
        if not self.is_up:
            raise Unreachable
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            raise Unreachable from error

    async def look(self) -> bool:
        """Ask for the time; returns whether Redis has just come back."""
        began = time.monotonic()
        try:
            seconds, micro = await self.client.time()
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return False
        self._offset = seconds + micro / 1_000_000 - (began + time.monotonic()) / 2
        if self.is_up:
            return False
        self.is_up = True
        self._on_event("state_recovered", "Redis answers again")
        return True

    async def close(self) -> None:
        """Let go of every connection."""
        self.pipe.close()
        with contextlib.suppress(RedisError, OSError, asyncio.TimeoutError):
            await self.client.aclose()
            await self.client.connection_pool.disconnect()

    def _lost(self, error: Exception) -> None:
        if self.is_up:
            self.is_up = False
            # Only the kind of error: its text may repeat an address with a user's name in it.
            self._on_event("state_unavailable", f"Redis does not answer: {type(error).__name__}")
