"""Requests per minute in Redis: the moving window of `limits`, on the server's clock."""

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from llm_router.routing.limits import WINDOW
from llm_router.state.scripts import WINDOW_CLOCK


class ServerClockStorage(RedisStorage):
    """The storage of `limits`, but no gateway's own clock decides: two that disagree would let too many through."""

    def configure_bridge(self) -> None:
        """Put the server's time before the window's script."""
        self.bridge.SCRIPT_ACQUIRE_MOVING_WINDOW = WINDOW_CLOCK + self.bridge.SCRIPT_ACQUIRE_MOVING_WINDOW
        super().configure_bridge()


class PerMinute(RateLimitItemPerMinute):
    """A limit whose window is named after the key alone: a limit that is changed goes on with the same minute."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The name of the window."""
        return "/".join(map(str, identifiers))


class Windows:
    """The requests of the last minute, by client key. Raises what redis raises."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._storage = ServerClockStorage(
            "async+redis://localhost:6379",  # never dialled: the pool says where the server is
            implementation="redispy",
            key_prefix=f"{prefix}rate",
            connection_pool=client.connection_pool,  # type: ignore[arg-type] # documented, but typed as plain options
        )
        self._limiter = MovingWindowRateLimiter(self._storage)

    async def hit(self, key: str, limit: int) -> bool:
        """Count one request; False when the minute is full, and then nothing is counted."""
        return await self._limiter.hit(PerMinute(limit), key)

    async def wait(self, key: str, limit: int) -> float:
        """Seconds until one more fits; 0 when it does now."""
        place = self._storage.bridge.prefixed_key(PerMinute(limit).key_for(key))
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.lindex(place, limit - 1)
            (seconds, micro), moment = await pipeline.execute()
        return max(0.0, float(moment) + WINDOW - seconds - micro / 1_000_000) if moment else 0.0
