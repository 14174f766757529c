"""Pieces of the gateway in one process: an upstream's answer that a test wrote, and a client that remembers."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.gateway.calls import Call
from llm_router.gateway.exchange import Exchange
from llm_router.gateway.guard import Asked
from llm_router.gateway.metrics import Metrics
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.run import Run
from llm_router.gateway.state import Snapshot
from llm_router.gateway.story import Story
from llm_router.gateway.upstream import UpstreamFailure
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger
from llm_router.providers.endpoints import Operation
from llm_router.routing.limits import UNLIMITED
from llm_router.routing.plan import Candidate, GatewaySettings, Lane, Plan, TranslatorSettings, Wire
from llm_router.secrets.client_keys import AGENT, ClientKey, ClientKeys
from llm_router.wire.facts import read_limit_facts

EVENTS = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]
KEY = ClientKey("k", "", "", "", AGENT, UNLIMITED)
UP = Candidate("up", "real")


@dataclass
class WrittenReply:
    """An upstream's answer: `chunks` in turn, an exception among them is raised, a callable is awaited."""

    chunks: list[Any]
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=lambda: list(EVENTS))
    closed: int = 0

    @property
    def is_stream(self) -> bool:
        return self.header("content-type").startswith("text/event-stream")

    def header(self, name: str) -> str:
        return next((value for held, value in self.headers if held == name), "")

    async def read(self, *, first: bool = False) -> bytes:
        chunk = self.chunks.pop(0) if self.chunks else b""
        if isinstance(chunk, UpstreamFailure):
            raise chunk
        return chunk if isinstance(chunk, bytes) else await chunk()

    def close(self) -> None:
        self.closed += 1


@dataclass
class WrittenClient:
    """An upstream client whose answers are written down."""

    replies: list[WrittenReply | UpstreamFailure]
    requests: list[Any] = field(default_factory=list)

    async def send(self, request: object, timeouts: object) -> WrittenReply:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, UpstreamFailure):
            raise reply
        return reply


@dataclass
class RememberingClient:
    """The client's end of an exchange: what it got, and what `look` saw each time it got something."""

    look: Callable[[], object] = lambda: None
    messages: list[dict[str, Any]] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        self.seen.append(self.look())

    async def receive(self) -> dict[str, Any]:
        raise AssertionError("nobody reads this client's body")

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    def exchange(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> Exchange:
        scope = {"headers": headers, "path": "/v1/chat/completions", "method": "POST", "query_string": b""}
        return Exchange(scope, self.receive, self.send)


def snapshot() -> Snapshot:
    return Snapshot(Plan("p", GatewaySettings(), TranslatorSettings(), {}, ()), {}, ClientKeys())


def run_of(client: RememberingClient, wire: Wire = Wire.CHAT, operation: Operation = Operation.GENERATE) -> Run:
    """A request of `wire`, sent to `UP`."""
    exchange = client.exchange()
    exchange.wire = wire
    call = Call(wire, operation, {}, "", b'{"model":"m"}', exchange.request_id)
    story = Story(exchange.request_id, exchange.began, 1_700_000_000.0, wire, "m", key="k", session="s")
    story.candidate, story.lane, story.prompt_tokens = UP, Lane.DIRECT, 7
    asked = Asked(KEY, read_limit_facts(wire, {"model": "m"}, {}, call.body))
    return Run(exchange, call, story, asked, snapshot(), [], False)


@dataclass
class Books:
    """A recorder over a real ledger and a real event log."""

    folder: Path
    ledger: Ledger = field(init=False)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder / "ledger.sqlite")
        self.ledger.open()
        events = EventLog(self.folder / "events.log")
        self.recorder = Recorder(events, self.ledger, Metrics(), wall=lambda: 1_700_000_000.0)
        self.recorder.configured(snapshot())

    def rows(self) -> list[dict[str, Any]]:
        """What another process reads in the ledger now."""
        with closing(sqlite3.connect(f"file:{self.folder / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
            ledger.row_factory = sqlite3.Row
            return [dict(row) for row in ledger.execute("SELECT * FROM requests ORDER BY rowid")]

    def settled(self) -> list[dict[str, Any]]:
        """The ledger once everything that was recorded is written."""
        self.recorder.write_now()
        return self.rows()

    def events(self) -> list[dict[str, Any]]:
        """Every event that was recorded."""
        self.recorder.write_now()
        path = self.folder / "events.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
