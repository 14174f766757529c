"""How client keys read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_router.secrets.client_keys import ClientKey

_LIMITS = {
    "requests_per_minute": "requests a minute",
    "session_tokens": "tokens of a session",
    "output_cap": "tokens of an answer",
    "messages": "messages of a request",
    "session_concurrency": "running, of a session",
    "session_queue": "waiting, of a session",
    "concurrency": "running, of the key",
}


def list_lines(keys: "list[ClientKey]") -> Iterator[str]:
    """One line a key."""
    width = max((len(key.name) for key in keys), default=0)
    for key in keys:
        scopes = ",".join((*key.models, *key.providers)) or "everything"
        ending = f"…{key.last4}" if key.last4 else "hidden"
        yield f"{key.name:<{width}}  {key.preset:<5}  {ending:<6}  {key.created_at or key.source}  {scopes}"


def detail_lines(key: "ClientKey") -> Iterator[str]:
    """One key, a line for each thing there is to know."""
    yield f"{key.name}"
    yield f"  preset     {key.preset}"
    yield f"  ends in    {key.last4 or 'hidden'}"
    yield f"  made       {key.created_at or f'named in the configuration, {key.source}'}"
    yield f"  models     {', '.join(key.models) or 'all'}"
    yield f"  providers  {', '.join(key.providers) or 'all'}"
    for name, words in _LIMITS.items():
        value = getattr(key.limits, name)
        yield f"  {words:<22} {f'{value:,}'.replace(',', ' ') if value else 'no limit'}"
