"""Who may come in: the Host they asked for, the page they come from, and the key they show. Decisions on values."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from llm_router.gateway.state import Snapshot
from llm_router.routing.limits import UNLIMITED
from llm_router.routing.plan import GatewaySettings
from llm_router.secrets.client_keys import AGENT, ClientKey
from llm_router.wire.errors import Failure

# Where no key was ever asked for, everybody is the same client.
NOBODY = ClientKey("", "", "", "", AGENT, UNLIMITED)
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def check_origin(headers: Mapping[str, str], settings: GatewaySettings, address: str) -> Failure | None:
    """Refuse a Host that is not ours (DNS rebinding) and a browser page that is not allowed.

    `address` is the local address that the connection came in on.
    """
    host = _host_name(headers.get("host", ""))
    if host not in _OWN_NAMES and host not in {
        settings.host.lower(),
        address,
        *(name.lower() for name in settings.allowed_hosts),
    }:
        return Failure(403, "host_not_allowed", "This Host is not one of the router's names; see gateway.allowed_hosts")
    origin = headers.get("origin")
    if origin is not None and origin not in settings.allowed_origins:
        return Failure(403, "origin_not_allowed", "This browser origin is not allowed; see gateway.allowed_origins")
    return None


def check_key(headers: Mapping[str, str], snapshot: Snapshot) -> ClientKey | Failure:
    """Ask for a client key, as `Authorization: Bearer` or `x-api-key`."""
    if snapshot.keys.is_open:
        return NOBODY
    if not snapshot.keys.by_digest:
        return Failure(
            503,
            "ai_not_configured",
            "The router has no client key to compare with; run `router bootstrap`",
            should_retry=False,
            type="api_error",
        )
    shown = shown_key(headers)
    if shown and (found := snapshot.keys.find(shown)) is not None:
        return found
    message = "The router does not know this key" if shown else "No key was sent"
    return Failure(401, "invalid_api_key", f"{message}; `router client env` shows how to set it", should_retry=False)


def shown_key(headers: Mapping[str, str]) -> str:
    """The key that a client sent, or an empty text."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip()


def is_this_machine(client: str, settings: GatewaySettings) -> bool:
    """Whether a connection from the address `client` comes from this machine."""
    try:
        return ipaddress.ip_address(client).is_loopback or client == settings.host
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        is_whole = bracket and ":" in name and (not port or (port[0] == ":" and port[1:].isdigit()))
        return name if is_whole else ""
    return host.rpartition(":")[0] if host.count(":") == 1 else host
