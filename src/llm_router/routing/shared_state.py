"""Where the gateways' common state is kept, as it is configured: in memory, or in one Redis."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from llm_router.errors import UsageError

MEMORY = "memory"
_SCHEMES = ("redis", "rediss", "unix")
DEFAULT_PREFIX = "llm-router"


class BadStateAddress(UsageError):
    """`state` is neither `memory` nor the address of a Redis."""

    code = "config.bad_state"


@dataclass(frozen=True, slots=True)
class SharedState:
    """`url`: `memory`, `redis://host:port/0`, `rediss://…` or `unix:///path`; `password` is a reference or empty.

    `prefix` keeps installations on one server apart. Raises BadStateAddress.
    """

    url: str = MEMORY
    password: str = ""
    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        """Refuse what nobody could connect to, and a password that stands in the address."""
        if self.url == MEMORY:
            return
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            raise BadStateAddress("The address of the state has a port that is no number") from None
        if parts.scheme not in _SCHEMES or not (parts.path if parts.scheme == "unix" else parts.hostname) or port == 0:
            raise BadStateAddress(
                "`state` must be `memory`, `redis://host:6379/0`, `rediss://…` or `unix:///path/to/redis.sock`"
            )
        if parts.password is not None or "password=" in parts.query:
            raise BadStateAddress(
                "A password is never written in an address; name it under `state_password`",
                hints=["Run `router secret set redis`, then write the reference that it prints as `state_password`"],
            )

    @property
    def is_shared(self) -> bool:
        """Whether several gateways may use it."""
        return self.url != MEMORY
