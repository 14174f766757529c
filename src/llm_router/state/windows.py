"""Requests per minute in Redis: the moving window of `limits`, on the server's clock, as a part of admission."""

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis

from llm_router.state.scripts import WINDOW_CLOCK

_MOST_PLACES = 1000


class PerMinute(RateLimitItemPerMinute):
    """A limit whose window is named after the key alone: a limit that is changed goes on with the same minute."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The name of the window."""
        return "/".join(map(str, identifiers))


class Windows:
    """The requests of the last minute, by client key. It asks nothing itself: the admission does, in its one step."""

    def __init__(self, client: Redis, prefix: str) -> None:
        storage = RedisStorage(
            "async+redis://localhost:6379",  # never dialled: the pool says where the server is
            implementation="redispy",
            key_prefix=f"{prefix}rate",
            connection_pool=client.connection_pool,  # type: ignore[arg-type] # documented, but typed as plain options
        )
        self._bridge = storage.bridge
        self._places: dict[str, str] = {}

    @property
    def script(self) -> str:
        """The body of a Lua function of KEYS (the window's) and ARGV (any, limit, seconds, 1): whether one more fits.

        No gateway's own clock decides: two that disagree would let too many through.
        """
        return (WINDOW_CLOCK + self._bridge.SCRIPT_ACQUIRE_MOVING_WINDOW).decode()

    def place(self, key: str) -> str:
        """The name of a client key's window."""
        held = self._places.get(key)
        if held is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            held = str(self._bridge.prefixed_key(PerMinute(1).key_for(key)))
            self._places[key] = held
        return held
