"""Two gateways on two ports, two homes, one Redis: one key's limits hold over both, and Redis may go and come."""

import asyncio
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.polling import eventually
from support.rawhttp import Line, Message, answer, ask, scripted_upstream
from support.redis_server import RedisServer, running
from support.stage import PATHS, QUICK

from llm_router.home import Home
from llm_router.routing.plan import (
    Candidate,
    GatewaySettings,
    Model,
    Plan,
    Policy,
    TranslatorSettings,
    Upstream,
    Wire,
)
from llm_router.routing.shared_state import SharedState
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import RunningGateway, running_gateway

pytestmark = pytest.mark.needs("redis")
EACH = 60  # requests that each gateway gets at the same time
OFF = dict.fromkeys(
    ("requests_per_minute", "session_tokens", "output_cap", "messages", "session_concurrency", "concurrency"), 0
)
USED = 25  # tokens that the upstream reports for each answer
GOOD = answer(200, b'{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}')


@dataclass(slots=True)
class Busy:
    """An upstream account that counts how many of its requests run at the same time."""

    pause: float = 0.0
    now: int = 0
    most: int = 0
    served: int = 0
    hold: asyncio.Event | None = None
    failing: bool = False

    async def __call__(self, line: Line, received: Message) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.served += 1
        try:
            if self.hold is not None:
                await self.hold.wait()
            if self.pause:
                loop = asyncio.get_running_loop()
                over = loop.create_future()
                loop.call_later(self.pause, over.set_result, None)
                await over
        finally:
            self.now -= 1
        script = answer(500, b'{"error":{"message":"no"}}') if self.failing else GOOD
        await script(line, received)


@dataclass(slots=True)
class Pair:
    """Both gateways, their homes and what they share."""

    gateways: Sequence[RunningGateway]
    homes: Sequence[Home]
    server: RedisServer
    keys: dict[str, str]
    plan: Plan = field(repr=False)

    def configure(self, *ports: int, **policy: Any) -> None:
        """Accounts `a`, `b`, … behind these ports answer for `m`, in order."""
        names = "abc"[: len(ports)]
        plan = Plan(
            "pair",
            GatewaySettings(client_keys=(), timeouts=QUICK),
            TranslatorSettings(enabled=False),
            {
                n: Upstream(n, "openai", f"http://127.0.0.1:{p}/v1", tuple(Wire))
                for n, p in zip(names, ports, strict=True)
            },
            (Model("m", tuple(Candidate(name, "real") for name in names)),),
            Policy(retries=0, **policy),
            state=SharedState(self.server.url),
        )
        for gateway in self.gateways:
            reply = gateway.call("configure", plan=json.loads(plan.to_json()), endpoints={}, translator=None)
            assert (reply["ok"], reply["problems"]) == (True, [])

    async def ask(self, place: int, key: str, session: str = "s", wire: Wire = Wire.CHAT) -> Message:
        said = [{"role": "user", "content": "hello"}]
        body = {"model": "m", "max_tokens": 40, ("input" if wire is Wire.RESPONSES else "messages"): said}
        shown = [("authorization", f"Bearer {self.keys[key]}"), ("x-session-id", session)]
        return await ask(self.gateways[place].port, "POST", PATHS[wire], json.dumps(body).encode(), shown)

    async def storm(self, key: str, sessions: int = 1) -> list[Message]:
        """EACH requests at both gateways at once."""
        asked = [self.ask(number % 2, key, f"s{number % sessions}") for number in range(2 * EACH)]
        return list(await asyncio.gather(*asked))

    def rows(self, key: str) -> list[dict[str, Any]]:
        """What both ledgers hold of a key."""
        found: list[dict[str, Any]] = []
        for home in self.homes:
            with closing(sqlite3.connect(f"file:{home.ledger}?mode=ro", uri=True)) as ledger:
                ledger.row_factory = sqlite3.Row
                found += [dict(row) for row in ledger.execute("SELECT * FROM requests WHERE key = ?", (key,))]
        return found

    def events(self, place: int, *names: str) -> list[str]:
        rows = [json.loads(line) for line in self.homes[place].events.read_text().splitlines()]
        return [row["event"] for row in rows if row["event"] in names]


@contextmanager
def pair(folder: Path, server: RedisServer, **keys: dict[str, int]) -> Iterator[Pair]:
    """Two gateways that know the same keys, with these limits on."""
    homes = [Home(folder / name / ".router") for name in ("one", "two")]
    for home in homes:
        home.create()
    secrets = {}
    for name, limits in keys.items():
        _, secret = create_key(homes[0], name, Wanted(limits={**OFF, **limits}))
        secrets[name] = secret.reveal()
    shutil.copy(homes[0].keys / "clients.json", homes[1].keys / "clients.json")
    state = SharedState(server.url)
    empty = Plan("empty", GatewaySettings(), TranslatorSettings(enabled=False), {}, (), state=state)
    with ExitStack() as stack:
        gateways = [stack.enter_context(running_gateway(home.root, empty)) for home in homes]
        yield Pair(gateways, homes, server, secrets, empty)


@asynccontextmanager
async def account(**settings: Any) -> AsyncIterator[tuple[Busy, int]]:
    """An upstream and its port."""
    busy = Busy(**settings)
    async with scripted_upstream(busy) as up:
        yield busy, up.port


async def test_one_keys_limits_hold_over_both(tmp_path: Path, redis_server: RedisServer) -> None:
    """Under parallel load, as many as one gateway would let through, and not one more; each request has one row."""
    limits = {
        "rate": {"requests_per_minute": 50},
        "budget": {"session_tokens": 500},
        "places": {"concurrency": 3},
        "session": {"session_concurrency": 2, "session_queue": 1000},
    }
    with pair(tmp_path, redis_server, **limits) as both:
        async with account() as (busy, port):
            both.configure(port)
            got = Counter((one.status, one.json().get("error", {}).get("code")) for one in await both.storm("rate"))
            assert got == {(200, None): 50, (429, "rate_limit_exceeded"): 2 * EACH - 50}
            assert busy.served == 50

        async with account() as (busy, port):
            both.configure(port)
            statuses = Counter(one.status for one in await both.storm("budget"))
            # Requests reserve more than they use: what is left after a storm, one after the other may still use.
            while (last := await both.ask(0, "budget", "s0")).status == 200:
                statuses[200] += 1
            assert last.json()["error"]["code"] == "session_token_budget_exceeded"
            assert busy.served == statuses[200]
            charged = sum(row["input"] + row["output"] for row in both.rows("budget") if row["status"] == 200)
            assert charged == statuses[200] * USED
            assert 500 - 2 * USED - 40 <= charged <= 500

        for key, sessions, most in (("places", 2 * EACH, 3), ("session", 1, 2)):
            async with account(pause=0.005) as (busy, port):
                both.configure(port)
                assert {one.status for one in await both.storm(key, sessions)} == {200}
                assert (busy.most, busy.served) == (most, 2 * EACH)

        for key in limits:
            rows = both.rows(key)
            assert len({row["trace_id"] for row in rows}) == len(rows) >= 2 * EACH


async def test_health_and_sessions_are_shared(tmp_path: Path, redis_server: RedisServer) -> None:
    """An account that failed at one gateway is left alone by the other; a session stays where the other began it."""
    with pair(tmp_path, redis_server, free={}) as both:
        async with account(failing=True) as (bad, first), account() as (good, second):
            both.configure(first, second, failures_until_degraded=3, cooldown=60)
            for number in range(3):
                assert (await both.ask(0, "free", f"f{number}")).header("x-router-account") == "b"
            assert bad.served == 3

            while (await both.ask(1, "free", "other")).header("x-router-attempts") != "1":
                pass  # the other believes for a tenth of a second what it read before
            served = bad.served
            assert (await both.ask(1, "free", "f0")).header("x-router-account") == "b"
            assert bad.served == served
            resumed = both.gateways[1].call("resume", account="a")
            assert resumed["ok"]
            bad.failing = False
            assert (await both.ask(1, "free", "f1")).header("x-router-account") == "b"
            assert good.served > 3


async def test_redis_is_killed_under_load_and_comes_back(tmp_path: Path) -> None:
    """Limits fail closed, health and sessions open, both moments are events, and what was in flight is settled once."""
    limits = {"limited": {"session_tokens": 10_000, "concurrency": 50}, "free": {}}
    hold = asyncio.Event()
    with running(tmp_path) as server, pair(tmp_path, server, **limits) as both:
        async with account(hold=hold) as (busy, port), account() as (_, spare):
            both.configure(port, spare)
            in_flight = [asyncio.create_task(both.ask(n % 2, "limited", "s"), name=f"held-{n}") for n in range(6)]
            await eventually(lambda: busy.now == 6)
            server.stop()
            hold.set()
            assert [(await one).status for one in in_flight] == [200] * 6

            refused = [
                await both.ask(place, "limited", wire=wire) for place in (0, 1) for wire in (Wire.CHAT, Wire.MESSAGES)
            ]
            assert [one.status for one in refused] == [503, 529, 503, 529]
            assert refused[0].json()["error"]["code"] == "state_unavailable"
            assert refused[0].header("retry-after") == "2"
            assert refused[1].json()["error"]["type"] == "overloaded_error"
            assert Counter(row["code"] for row in both.rows("limited")) == {"": 6, "AI_STATE_UNAVAILABLE": 4}
            assert [(await both.ask(place, "free", "s")).status for place in (0, 1)] == [200, 200]
            for place in (0, 1):
                assert both.events(place, "state_unavailable", "state_recovered") == ["state_unavailable"]
                problems = both.gateways[place].call("stats")["problems"]
                assert [problem["code"] for problem in problems] == ["state.trouble"]

            server.start()
            for place in (0, 1):
                await eventually(lambda place=place: both.events(place, "state_recovered") == ["state_recovered"])
            assert [(await both.ask(place, "limited")).status for place in (0, 1)] == [200, 200]
            assert [gateway.call("stats")["problems"] for gateway in both.gateways] == [[], []]
