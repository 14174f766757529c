"""A gateway process with a clock that can be moved, accounts behind a real sandbox, and all that was written down."""

import asyncio
import http.client
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
from llm_router.testing.clock import MovedClock
from llm_router.testing.gateways import RunningGateway, running_gateway
from llm_router.testing.processes import running_sandbox
from support.polling import until
from support.rawhttp import Headers, Message, ask
from support.stage import PATHS

WIRES = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)
ENDS = {
    Wire.CHAT: (b"[DONE]",),
    Wire.RESPONSES: (b"response.completed", b"response.incomplete"),
    Wire.MESSAGES: (b"message_stop",),
}
TIMEOUTS = Timeouts(connect=5, first_byte=20, idle=20, translator=1)
CLIENT_KEY = "policy-client-key"
AGENT_KEY = "file:keys/local.key"
_COLUMNS = (
    "trace_id",
    "key",
    "session",
    "status",
    "outcome",
    "code",
    "attempts",
    "upstream",
    "streamed",
    "input",
    "output",
    "cost_usd",
    "started_ms",
)
_numbers = itertools.count(1)

Row = dict[str, Any]
Event = dict[str, Any]


def body_of(wire: Wire, text: str, *, stream: bool, model: str = "m", **members: object) -> bytes:
    """A request with one user's text."""
    said = [{"role": "user", "content": text}]
    held: dict[str, object] = {"model": model, "stream": stream, **members}
    match wire:
        case Wire.CHAT:
            held |= {"messages": said, **({"stream_options": {"include_usage": True}} if stream else {})}
        case Wire.RESPONSES:
            held |= {"input": said}
        case _:
            held |= {"messages": said, "max_tokens": held.get("max_tokens", 4096)}
    return json.dumps(held).encode()


def is_whole(wire: Wire, got: Message, *, stream: bool) -> bool:
    """Whether the client has a whole good answer of the sandbox's."""
    if got.status != 200:
        return False
    return any(end in got.body for end in ENDS[wire]) if stream else isinstance(got.json().get("usage"), dict)


def code_of(wire: Wire, got: Message) -> str:
    """What an error answer is called: OpenAI's code, Anthropic's type."""
    error = got.json()["error"]
    return str(error["type"] if wire is Wire.MESSAGES else error["code"])


def administer(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    """One request to a sandbox's own routes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status == 200, found
    return found


@dataclass(slots=True)
class Account:
    """One upstream account behind a sandbox, with a name that no other test uses."""

    name: str
    sandbox_url: str
    url: str = ""  # where it is instead, when it is no sandbox

    @property
    def candidate(self) -> str:
        """`provider/model`, with a model that is this account's own, so that faults can be meant for it."""
        return f"{self.name}/echo-{self.name}"

    @property
    def model(self) -> str:
        return f"echo-{self.name}"

    @property
    def base_url(self) -> str:
        return self.url or f"{self.sandbox_url}/v1"

    def upstream(self) -> Upstream:
        return Upstream(self.name, "openai", self.base_url, WIRES)

    def calls(self) -> list[Row]:
        """What the sandbox received for this account, oldest first."""
        found = administer(self.sandbox_url, "GET", "/sandbox/requests?limit=1000")["requests"]
        return [row for row in reversed(found) if row["model"] == self.model]

    def received(self, number: int) -> Row:
        """The body of one of these calls."""
        found = administer(self.sandbox_url, "GET", f"/sandbox/requests/{number}")
        return dict(json.loads(found["body"]))

    def fails(self, spec: str, count: int | None = None, *, also: Sequence["Account"] = ()) -> None:
        """Make the sandbox fail for these accounts, and no longer for any other."""
        models = [account.model for account in (self, *also)]
        rules = [{"spec": spec, "count": count, "match": {"model": model}} for model in models]
        administer(self.sandbox_url, "PUT", "/sandbox/faults", rules)

    def recovers(self) -> None:
        """Switch every fault off."""
        administer(self.sandbox_url, "DELETE", "/sandbox/faults")


@dataclass(slots=True)
class Ground:
    """The gateway, its clock, and what it wrote down."""

    gateway: RunningGateway
    home: Home
    clock: MovedClock
    sandbox_url: str
    policy: Policy = field(default_factory=Policy)

    def account(self, url: str = "") -> Account:
        return Account(f"acc{next(_numbers)}", self.sandbox_url, url)

    def key(self, **limits: int) -> str:
        """A new client key with the numbers of `app`, or others."""
        _, secret = create_key(self.home, f"key{next(_numbers)}", Wanted(limits=limits))
        return secret.reveal()

    def configure(
        self, *accounts: Account, timeouts: Timeouts = TIMEOUTS, problems: Sequence[str] = (), **policy: Any
    ) -> None:
        """Put a plan in force: `m` is answered by these accounts, in order. Keys are read again.

        `problems` are the codes of what the gateway must find wrong.
        """
        plan = Plan(
            "policy",
            GatewaySettings(client_keys=(AGENT_KEY,), timeouts=timeouts),
            TranslatorSettings(enabled=False),
            {account.name: account.upstream() for account in accounts},
            (Model("m", tuple(Candidate(one.name, one.model) for one in accounts)),),
            replace(Policy(retries=0), **policy),
        )
        reply = self.gateway.call("configure", plan=json.loads(plan.to_json()), endpoints={}, translator=None)
        assert reply["ok"], reply
        assert [problem["code"] for problem in reply["problems"]] == list(problems)

    async def ask(
        self, wire: Wire, body: bytes, *, key: str = CLIENT_KEY, headers: Headers = (), session: str = ""
    ) -> Message:
        """One request on a connection of its own."""
        sent = [("authorization", f"Bearer {key}"), ("content-type", "application/json"), *headers]
        if session:
            sent.append(("x-session-id", session))
        return await ask(self.gateway.port, "POST", PATHS[wire], body, sent)

    # ── what was written down

    def row(self, got: Message) -> Row:
        """The one row of an answer."""
        rows = self.rows("trace_id = ?", str(got.header("x-request-id")))
        assert len(rows) == 1, rows
        return rows[0]

    def rows(self, where: str = "1", *values: str) -> list[Row]:
        with closing(sqlite3.connect(f"file:{self.home.ledger}?mode=ro", uri=True)) as connection:
            found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE {where}", values).fetchall()
        return [{**dict(zip(_COLUMNS, row, strict=True)), "attempts": json.loads(row[6])} for row in found]

    def events(self, got: Message | None = None) -> list[Event]:
        """Every event, or those of one request, in order."""
        if not self.home.events.exists():
            return []
        held = [json.loads(line) for line in self.home.events.read_text().splitlines()]
        if got is None:
            return held
        return [event for event in held if event.get("traceId") == got.header("x-request-id")]

    def health(self, account: Account) -> Row:
        """How the gateway stands to an account now."""
        self.is_idle()
        rows: Sequence[Mapping[str, Any]] = self.gateway.call("accounts")["accounts"]
        return dict(next(row for row in rows if row["account"] == account.candidate))

    def state(self, account: Account) -> tuple[str, int]:
        """The state and the failures in a row."""
        row = self.health(account)
        return row["state"], row["failures"]

    def is_idle(self) -> None:
        """Wait until nothing is in flight: what a request did to health is done."""
        until(lambda: self.gateway.call("stats")["in_flight"] == 0, within=20)

    async def settled(self) -> None:
        """The same, while this loop goes on."""
        await asyncio.to_thread(self.is_idle)


@contextmanager
def ground(folder: Path, **environment: str) -> Iterator[Ground]:
    """A gateway with nothing to do, and a sandbox."""
    home = Home(folder / ".router")
    home.create()
    write_private(home.local_key, f"{CLIENT_KEY}\n".encode())
    clock = MovedClock(folder / "clock")
    empty = Plan("policy", GatewaySettings(client_keys=(AGENT_KEY,)), TranslatorSettings(enabled=False), {}, ())
    variables = {"LLM_ROUTER_TEST_CLOCK": str(clock.path), **environment}
    with running_sandbox() as url, running_gateway(home.root, empty, environment=variables) as gateway:
        yield Ground(gateway, home, clock, url)


def elapsed(began: float) -> float:
    return time.monotonic() - began
