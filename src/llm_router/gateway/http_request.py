"""A request's address and head as they go over the wire. Decisions on values.

Whatever could end a line early, or say another length than the body has, is refused: ValueError.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

Headers = Sequence[tuple[str, str]]

_PORTS = {"http": 80, "https": 443}
_NOT_IN_URL = re.compile(r"[^\x21-\x7e\x80-\xff]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points. `origin` is (scheme, host, port); `authority` is what stands in the Host header."""

    origin: tuple[str, str, int]
    authority: str
    path: str

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.origin[0] == "https"

    @property
    def host(self) -> str:
        """The name or address, without brackets, in its ASCII form."""
        return self.origin[1]

    @property
    def port(self) -> int:
        """The port, the scheme's own when the URL names none."""
        return self.origin[2]


@lru_cache(maxsize=1024)
def target_of(url: str) -> Target:
    """Read an absolute http or https URL without a query. Raises ValueError."""
    if _NOT_IN_URL.search(url):
        raise ValueError("an address holds only visible characters")
    split = urlsplit(url)
    if split.scheme not in _PORTS or not split.hostname:
        raise ValueError("an address begins with http:// or https:// and names a host")
    if "@" in split.netloc:
        raise ValueError("an address carries no credentials")
    host = split.hostname if split.hostname.isascii() else split.hostname.encode("idna").decode()
    port = split.port or _PORTS[split.scheme]
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _PORTS[split.scheme] else f"{shown}:{port}"
    return Target((split.scheme, host, port), authority, split.path or "/")


def path_with_query(target: Target, query: str) -> str:
    """The path as the request line has it. Raises ValueError."""
    if not query:
        return target.path
    if _NOT_IN_URL.search(query):
        raise ValueError("a query holds only visible characters")
    return f"{target.path}?{query}"


def write_head(method: str, path: str, authority: str, headers: Headers, length: int) -> bytes:
    """The request line and the headers, in the order given, with Host and Content-Length added. Raises ValueError."""
    _plain(method)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}"]
    for name, value in headers:
        if _plain(name) == "host":
            lines[1] = f"Host: {value}"
        else:
            lines.append(f"{name}: {value}")
    if length or method in _WITH_BODY:
        lines.append(f"Content-Length: {length}")
    lines.append("\r\n")
    text = "\r\n".join(lines)
    # Every line end must be one of ours: one search of the whole costs less than one for each value.
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise ValueError("a header's value holds a line end or a zero")
    return text.encode("latin-1")


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """The name in small letters, when it may be sent. Raises ValueError."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name holds a character that none may have")
    lowered = name.lower()
    if lowered in _FRAMING:
        raise ValueError(f"`{lowered}` is set by the gateway alone")
    return lowered
