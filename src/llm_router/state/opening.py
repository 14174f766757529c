"""From the configured address to a store. Redis is imported only where it is used: it is slow to load."""

from collections.abc import Mapping

from llm_router.home import Home
from llm_router.routing.shared_state import SharedState
from llm_router.secrets.store import resolve
from llm_router.state.memory_limits import REAL_CLOCKS, Clocks
from llm_router.state.port import OnEvent, StateStore, no_event


def make_store(
    settings: SharedState,
    *,
    home: Home,
    environ: Mapping[str, str],
    on_event: OnEvent = no_event,
    clocks: Clocks = REAL_CLOCKS,
) -> StateStore:
    """A store that its owner opens and closes; Redis has clocks of its own.

    Raises BadReference or SecretUnavailable for the password.
    """
    if not settings.is_shared:
        from llm_router.state.checkpoint import Keeper
        from llm_router.state.memory import MemoryStore

        return MemoryStore(Keeper(home, on_event=on_event), clocks=clocks)
    from llm_router.state.link import connect
    from llm_router.state.redis import RedisOptions, RedisStore

    password = resolve(settings.password, home=home, environ=environ).reveal() if settings.password else None
    client = connect(settings.url, password)
    return RedisStore(client, options=RedisOptions(prefix=settings.prefix), on_event=on_event)
