"""Which headers travel on, in both directions. Decisions on values."""

from collections.abc import Iterable, Mapping

# RFC 9110 section 7.6.1, and what belongs to one hop by its nature.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# A client's own secrets and whereabouts; and its encodings, because a copy of the answer is read on the way.
_NOT_FOR_UPSTREAMS = _HOP_BY_HOP | {
    "accept-encoding",
    "authorization",
    "cookie",
    "forwarded",
    "origin",
    "referer",
    "via",
    "x-api-key",
    "x-request-id",
}
_NOT_FOR_UPSTREAM_PREFIXES = ("x-forwarded-", "x-router-", "x-llm-router-", "x-litellm-", "sec-", "cf-")
_NOT_FOR_CLIENTS = _HOP_BY_HOP | {"server", "date", "set-cookie", "set-cookie2", "alt-svc", "x-request-id"}
_NOT_FOR_CLIENT_PREFIXES = ("x-litellm-", "llm_provider-", "x-router-")

TRACE_HEADER = "x-llm-router-trace"


def for_upstream(client: Mapping[str, str]) -> list[tuple[str, str]]:
    """A client's headers as they may go to an upstream, without any credential."""
    kept = [
        (name, value)
        for name, value in client.items()
        if name not in _NOT_FOR_UPSTREAMS and not name.startswith(_NOT_FOR_UPSTREAM_PREFIXES)
    ]
    kept.append(("accept-encoding", "identity"))
    return kept


def for_client(upstream: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """An upstream's headers as they may go to a client."""
    return [
        (name, value)
        for name, value in upstream
        if name not in _NOT_FOR_CLIENTS and not name.startswith(_NOT_FOR_CLIENT_PREFIXES)
    ]
