"""What the sandbox received lately: a bounded ring, with secrets as digests only."""

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MOST_REQUESTS = 1000
MOST_BODY_BYTES = 64 * 1024 * 1024
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


@dataclass(slots=True)
class Record:
    """One request. `outcome` is `open` until the answer has ended; `body` is None once memory ran out for it."""

    number: int
    at: float  # seconds since the epoch
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes | None
    body_sha256: str
    body_bytes: int
    wire: str = ""
    model: str = ""
    streamed: bool = False
    status: int = 0
    fault: str = ""
    outcome: str = "open"
    chunks: int = 0
    input_tokens: int = 0  # what the answer says was used; 0 when it says nothing
    output_tokens: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record without its body."""
        names = (name for name in self.__slots__ if name not in {"body", "headers"})
        return {**{name: getattr(self, name) for name in names}, "headers": [list(pair) for pair in self.headers]}


@dataclass(slots=True)
class Recorder:
    """The newest requests, oldest first, and the bodies that fit into `most_body_bytes`."""

    most_requests: int = MOST_REQUESTS
    most_body_bytes: int = MOST_BODY_BYTES
    records: deque[Record] = field(init=False)
    _next: int = field(default=1, init=False)
    _held: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.records = deque()

    def add(self, *, at: float, scope: dict[str, Any], body: bytes) -> Record:
        """Record a request from its ASGI scope and its body; the oldest make room."""
        record = Record(
            number=self._next,
            at=at,
            method=str(scope["method"]),
            path=str(scope["path"]),
            query=scope.get("query_string", b"").decode("latin-1"),
            headers=masked(scope["headers"]),
            body=body,
            body_sha256=hashlib.sha256(body).hexdigest(),
            body_bytes=len(body),
        )
        self._next += 1
        self._held += len(body)
        self.records.append(record)
        while len(self.records) > self.most_requests:
            self._forget_body(self.records.popleft())
        for old in self.records if self._held > self.most_body_bytes else ():
            if self._held <= self.most_body_bytes:
                break
            self._forget_body(old)
        return record

    def find(self, number: int) -> Record | None:
        """The record with that number, while it is held."""
        return next((record for record in self.records if record.number == number), None)

    def latest(self, limit: int) -> list[Record]:
        """The newest `limit` records, newest first."""
        return list(reversed(self.records))[: max(0, limit)]

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        self.records.clear()
        self._held = 0

    def _forget_body(self, record: Record) -> None:
        self._held -= len(record.body or b"")
        record.body = None


def masked(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as text; a secret becomes `sha256:` and 12 hex digits of the digest of the key itself."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    return [(name, _mask(value) if name in _SECRET_HEADERS else value) for name, value in pairs]


def _mask(value: str) -> str:
    scheme, space, key = value.partition(" ")
    if not space:
        scheme, key = "", value
    return f"{scheme}{space}sha256:{hashlib.sha256(key.encode('latin-1')).hexdigest()[:12]}"
