"""A gateway process with plans made in a line, and clients that ask it."""

import asyncio
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.home import Home, write_private
from llm_router.routing.plan import (
    Candidate,
    GatewaySettings,
    Model,
    Plan,
    Policy,
    Timeouts,
    TranslatorSettings,
    Upstream,
    Wire,
)
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import RunningGateway, running_gateway
from support.rawhttp import PATIENCE, Headers, Message, ask

CLIENT_KEY = "client-key-1"
UPSTREAM_KEY = "sk-upstream-canary-91c2"
PATHS = {
    Wire.CHAT: "/v1/chat/completions",
    Wire.RESPONSES: "/v1/responses",
    Wire.MESSAGES: "/v1/messages",
    Wire.EMBEDDINGS: "/v1/embeddings",
}
_numbers = itertools.count(1)
QUICK = Timeouts(connect=2, first_byte=5, idle=5, translator=5)
PLAIN = Policy(retries=0, affinity=False)
GENERATING = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)


# What proves a stream, and what ends it.
BEGUN = {
    Wire.CHAT: b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    Wire.RESPONSES: b'data: {"type":"response.output_text.delta","delta":"a"}\n\n',
    Wire.MESSAGES: b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}\n\n',
}
ENDED = {
    Wire.CHAT: b"data: [DONE]\n\n",
    Wire.RESPONSES: b'data: {"type":"response.completed"}\n\n',
    Wire.MESSAGES: b'data: {"type":"message_stop"}\n\n',
}


def upstream(name: str, url: str, *wires: Wire, kind: str = "openai", key: str = "env:UP_KEY") -> Upstream:
    """An account behind `url`; all wires when none is named."""
    base = f"{url}/v1" if kind == "openai" else url
    return Upstream(name, kind, base, wires or tuple(Wire), key=key)


def body_for(model: str = "m", **members: object) -> bytes:
    return json.dumps({"model": model, **members}).encode()


@dataclass(slots=True)
class Stage:
    """The process and the ways to it."""

    gateway: RunningGateway
    home: Home
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.gateway.port

    def plan(
        self,
        upstreams: Mapping[str, Upstream],
        models: Mapping[str, tuple[str, ...]] | None = None,
        *,
        timeouts: Timeouts = QUICK,
        policy: Policy = PLAIN,
        **settings: Any,
    ) -> Plan:
        """A plan in which `m` is answered by every upstream in order, unless `models` says otherwise."""
        named = models if models is not None else {"m": tuple(f"{name}/real-{name}" for name in upstreams)}
        return Plan(
            "test",
            GatewaySettings(**{"client_keys": ("file:keys/local.key",), "timeouts": timeouts, **settings}),
            TranslatorSettings(),
            upstreams,
            tuple(
                Model(name, tuple(Candidate(*candidate.split("/", 1)) for candidate in candidates))
                for name, candidates in named.items()
            ),
            policy,
        )

    def configure(
        self,
        upstreams: Mapping[str, Upstream],
        models: Mapping[str, tuple[str, ...]] | None = None,
        *,
        translator: Mapping[str, object] | None = None,
        endpoints: Mapping[str, str] | None = None,
        **plan: Any,
    ) -> dict[str, Any]:
        """Put a plan in force; returns the gateway's answer."""
        text = self.plan(upstreams, models, **plan).to_json()
        reply = self.gateway.call("configure", plan=json.loads(text), endpoints=endpoints or {}, translator=translator)
        assert reply["ok"], reply
        return reply

    def direct(self, port: int, *wires: Wire, **plan: Any) -> None:
        """One upstream `up` on `port` that answers for `m` as `real-up`."""
        self.configure({"up": upstream("up", f"http://127.0.0.1:{port}", *wires)}, **plan)

    async def ask(
        self,
        wire: Wire = Wire.CHAT,
        body: bytes | None = None,
        headers: Headers = (),
        *,
        path: str = "",
        method: str = "POST",
        port: int = 0,
    ) -> Message:
        """One request with the right key on a connection of its own."""
        sent = body_for() if body is None else body
        own_key = any(name == "authorization" for name, _ in headers)
        shown = [*headers] if own_key else [("authorization", f"Bearer {CLIENT_KEY}"), *headers]
        return await ask(port or self.port, method, path or PATHS[wire], sent, shown)

    def key(self, wanted: Wanted) -> tuple[str, str]:
        """Make a client key; its name, and the header that shows it. The next `configure` puts it in force."""
        name = f"key-{next(_numbers)}"
        return name, f"Bearer {create_key(self.home, name, wanted)[1].reveal()}"

    def forgive(self) -> None:
        """Make every account healthy again."""
        for row in self.gateway.call("accounts")["accounts"]:
            if row["state"] != "healthy" or row["failures"]:
                assert self.gateway.call("resume", account=row["account"])["ok"]

    def rows(self) -> list[dict[str, Any]]:
        """The ledger, oldest request first."""
        with closing(sqlite3.connect(f"file:{self.home.ledger}?mode=ro", uri=True)) as ledger:
            ledger.row_factory = sqlite3.Row
            return [dict(row) for row in ledger.execute("SELECT * FROM requests ORDER BY rowid")]

    def row(self, request_id: str | None) -> dict[str, Any]:
        """The one row of a request, with its attempts decoded. An AssertionError when there is none, or another."""
        found = [row for row in self.rows() if row["trace_id"] == request_id]
        assert len(found) == 1, (request_id, found)
        return {**found[0], "attempts": json.loads(found[0]["attempts"])}

    def events(self, request_id: str | None = None, *names: str) -> list[dict[str, Any]]:
        """The events, oldest first: of one request, and of these names, where any are given."""
        held = [json.loads(line) for line in self.home.events.read_text().splitlines()]
        mine = [event for event in held if request_id is None or event.get("traceId") == request_id]
        return [event for event in mine if not names or event["event"] in names]

    def stats(self) -> dict[str, Any]:
        return self.gateway.call("stats")

    def is_idle(self) -> None:
        """Wait, within bounds, until nothing is in flight."""
        self._wait(lambda in_flight: in_flight == 0)

    def waits_for(self, number: int) -> None:
        """Wait, within bounds, until this many requests are in flight."""
        self._wait(lambda in_flight: in_flight == number)

    async def becomes_busy(self) -> None:
        """Wait, within bounds, until something is in flight."""
        await asyncio.to_thread(self._wait, bool)

    async def becomes_idle(self) -> None:
        """Wait, within bounds, until nothing is in flight, while this loop goes on."""
        await asyncio.to_thread(self.is_idle)

    def _wait(self, wanted: Callable[[int], bool]) -> None:
        by, pause = time.monotonic() + PATIENCE, threading.Event()
        while not wanted(self.stats()["in_flight"]):
            assert time.monotonic() < by, self.stats()
            pause.wait(0.01)


@contextmanager
def staged_gateway(folder: Path) -> Iterator[Stage]:
    """A gateway with a client key, and an upstream key in its environment, that has an empty plan."""
    home = Home(folder / ".router")
    home.create()
    write_private(home.local_key, f"{CLIENT_KEY}\n".encode())
    empty = Plan("empty", GatewaySettings(client_keys=("file:keys/local.key",)), TranslatorSettings(), {}, ())
    with running_gateway(home.root, empty, environment={"UP_KEY": UPSTREAM_KEY}) as gateway:
        yield Stage(gateway, home)
