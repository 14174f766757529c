"""Which headers travel on, in both directions. Decisions on values."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

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
    "api-key",
    "authorization",
    "content-encoding",
    "cookie",
    "forwarded",
    "origin",
    "referer",
    "via",
    "x-api-key",
    "x-goog-api-key",
    "x-request-id",
}
_NOT_FOR_UPSTREAM_PREFIXES = ("x-forwarded-", "x-router-", "x-llm-router-", "x-litellm-", "sec-", "cf-")
_NOT_FOR_CLIENTS = _HOP_BY_HOP | {"server", "date", "set-cookie", "set-cookie2", "alt-svc", "x-request-id"}
_NOT_FOR_CLIENT_PREFIXES = ("x-litellm-", "llm_provider-", "x-router-")

TRACE_HEADER = "x-llm-router-trace"


# What a header may carry as it is; anything else is written as %XX.
_HEADER_SAFE = " !#$&'()*+,/:;=?@[]^`{|}<>\"\\"
_LONGEST_SHOWN = 200
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+-]*")  # what most names are made of, all of it safe


def for_upstream(client: Mapping[str, str]) -> list[tuple[str, str]]:
    """A client's headers as they may go to an upstream, without any credential.

    The body has been read as plain JSON, whatever was said of it: an upstream that believed another word would read
    other members in the same bytes, and another model, than the router has.
    """
    one_hop = _named_by_connection(client["connection"]) if "connection" in client else ()
    kept = [
        (name, "application/json" if name == "content-type" else value)
        for name, value in client.items()
        if _may_go_up(name) and name not in one_hop
    ]
    kept.append(("accept-encoding", "identity"))
    return kept


def for_client(upstream: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """An upstream's headers as they may go to a client."""
    kept = [pair for pair in upstream if _may_go_down(pair[0])]
    said = [value for name, value in upstream if name == "connection"]
    if not said:
        return kept
    one_hop = _named_by_connection(",".join(said))
    return [pair for pair in kept if pair[0] not in one_hop]


@lru_cache(maxsize=1024)
def _may_go_up(name: str) -> bool:
    return name not in _NOT_FOR_UPSTREAMS and not name.startswith(_NOT_FOR_UPSTREAM_PREFIXES)


@lru_cache(maxsize=1024)
def _may_go_down(name: str) -> bool:
    return name not in _NOT_FOR_CLIENTS and not name.startswith(_NOT_FOR_CLIENT_PREFIXES)


def shown(text: str) -> str:
    """`text` as a header can carry it: no line break, ASCII only, at most 200 characters of it."""
    if len(text) <= _LONGEST_SHOWN and _PLAIN.fullmatch(text):
        return text
    return quote(text[:_LONGEST_SHOWN], safe=_HEADER_SAFE, errors="replace")


def _named_by_connection(value: str) -> frozenset[str]:
    """The header names that `Connection` says are for one hop only."""
    return frozenset(name.strip().lower() for name in value.split(",")) if value else frozenset()
