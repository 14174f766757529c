"""What outlives a gateway: killed at any moment, or replaced while it still answers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.rawhttp import Line, Message, answer, begin_stream, request, scripted_upstream, send_chunk
from support.stage import (
    BEGUN,
    CLIENT_KEY,
    ENDED,
    PATHS,
    PLAIN,
    UPSTREAM_KEY,
    Stage,
    body_for,
    staged_gateway,
    upstream,
)

from llm_router.home import Home
from llm_router.routing.plan import GatewaySettings, Plan, TranslatorSettings, Wire
from llm_router.secrets.client_keys import Wanted
from llm_router.testing.gateways import running_gateway

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
OK = answer(200, b'{"usage":{"prompt_tokens":60,"completion_tokens":30}}')
BROKEN = answer(500, b"{}")
STICKY = replace(PLAIN, affinity=True)


@contextmanager
def another_gateway(home: Home) -> Iterator[Stage]:
    """A further process on a home that is there already."""
    empty = Plan("empty", GatewaySettings(client_keys=("file:keys/local.key",)), TranslatorSettings(), {}, ())
    with running_gateway(home.root, empty, environment={"UP_KEY": UPSTREAM_KEY}) as gateway:
        yield Stage(gateway, home)


def kill(stage: Stage) -> None:
    stage.gateway.process.kill()
    stage.gateway.process.wait(10)


def states(stage: Stage) -> dict[str, str]:
    return {row["account"]: row["state"] for row in stage.gateway.call("accounts")["accounts"]}


async def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path):
    """Rows, budgets, health, rate windows and bindings are there when the next process asks."""
    with staged_gateway(tmp_path) as first:
        home = first.home
        tokens = first.key(Wanted(limits={"session_tokens": 370}))
        rate = first.key(Wanted(limits={"requests_per_minute": 5}))
        async with scripted_upstream(BROKEN) as bad, scripted_upstream(OK) as good, scripted_upstream(OK) as more:
            ups = {
                "bad": upstream("bad", bad.url),
                "good": upstream("good", good.url),
                "more": upstream("more", more.url),
            }
            models = {"m": ("good/a", "more/b"), "broken": ("bad/a", "more/b"), "rest": ("more/b", "good/a")}

            def session(key: tuple[str, str]) -> list[tuple[str, str]]:
                return [("authorization", key[1]), ("session-id", "s")]

            first.configure(ups, models, policy=STICKY)
            answered = [await first.ask(body=body_for("broken"), headers=[("session-id", str(n))]) for n in range(3)]
            answered += [await first.ask(body=body_for(max_tokens=10), headers=session(tokens)) for _ in range(4)]
            answered += [await first.ask(headers=session(rate)) for _ in range(5)]
            assert {got.status for got in answered} == {200}
            kill(first)

            with another_gateway(home) as second:
                second.configure(ups, models, policy=STICKY)
                assert states(second)["bad/a"] == "degraded"
                spent = await second.ask(body=body_for(max_tokens=10), headers=session(tokens))
                full = await second.ask(headers=session(rate))
                skipped = await second.ask(body=body_for("broken"), headers=[("session-id", "new")])
                assert [row["trace_id"] for row in second.rows()][: len(answered)] == [
                    got.header("x-request-id") for got in answered
                ]

    assert (spent.status, spent.json()["error"]["code"]) == (429, "session_token_budget_exceeded")
    assert (full.status, full.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (skipped.status, skipped.header("x-router-attempts"), len(bad.received)) == (200, "1", 3)


async def test_a_session_finds_its_account_again(tmp_path: Path):
    """After an orderly end: a session whose account is the second of the list goes there."""
    with staged_gateway(tmp_path) as first:
        home = first.home
        async with scripted_upstream(BROKEN, OK) as one, scripted_upstream(OK) as two:
            ups = {"one": upstream("one", one.url), "two": upstream("two", two.url)}
            first.configure(ups, policy=STICKY)
            moved = await first.ask(headers=[("session-id", "s")])
            first.gateway.call("drain")
            first.gateway.process.wait(10)

            with another_gateway(home) as second:
                second.configure(ups, policy=STICKY)
                again = await second.ask(headers=[("session-id", "s")])
                other = await second.ask(headers=[("session-id", "t")])

    assert [got.header("x-router-account") for got in (moved, again, other)] == ["two", "two", "one"]


async def test_killed_again_and_again(tmp_path: Path):
    """Whatever moment is hit: an answer that was read to its end has its row, and no row stands twice."""
    home, answered = None, []
    async with scripted_upstream(OK) as up:
        for _ in range(3):
            with staged_gateway(tmp_path) if home is None else another_gateway(home) as stage:
                home = stage.home
                stage.direct(up.port)
                stop = asyncio.Event()

                async def asks(stage: Stage = stage, stop: asyncio.Event = stop) -> None:
                    while not stop.is_set():
                        try:
                            got = await stage.ask()
                        except (OSError, EOFError):
                            return
                        answered.append(got.header("x-request-id"))

                before = len(answered)
                clients = [asyncio.create_task(asks(), name=f"client-{number}") for number in range(8)]
                async with asyncio.timeout(20):
                    while len(answered) < before + 100:
                        await asyncio.wait(clients, timeout=0.01)
                await asyncio.to_thread(kill, stage)
                stop.set()
                for client in clients:
                    client.cancel()
                await asyncio.gather(*clients, return_exceptions=True)

    assert home is not None
    with another_gateway(home) as last:
        written = [row["trace_id"] for row in last.rows()]
    assert set(answered) <= set(written)
    assert len(written) == len(set(written))


async def streaming(stage: Stage, go_on: asyncio.Event, headers: list[tuple[str, str]]) -> "asyncio.Task[bytes]":
    """A stream that the gateway has begun to pass on, and that ends when it may."""
    line = await Line.to(stage.port)
    await line.write(request("POST", PATHS[Wire.CHAT], body_for(stream=True), headers))
    assert (await line.head()).status == 200

    async def rest() -> bytes:
        held = b""
        while part := await line.chunk():
            held += part
        await line.close()
        return held

    return asyncio.create_task(rest(), name="streaming")


@pytest.mark.parametrize("killed", [False, True])
async def test_a_successor_that_runs_beside_its_predecessor(tmp_path: Path, killed: bool):
    """What either learnt is there for the third, and the checkpoint is whole, whoever ended last and however."""
    go_on = asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, BEGUN[Wire.CHAT])
        await go_on.wait()
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":50}}\n\n'
        await send_chunk(line, usage + ENDED[Wire.CHAT])
        await line.write(b"0\r\n\r\n")

    with staged_gateway(tmp_path) as old:
        home = old.home
        _, shown = old.key(Wanted(limits={"session_tokens": 370, "session_concurrency": 0, "output_cap": 0}))
        key = [("authorization", shown), ("session-id", "s")]
        async with scripted_upstream(play, OK) as up, scripted_upstream(BROKEN) as bad:
            ups = {"up": upstream("up", up.url), "bad": upstream("bad", bad.url)}
            models = {"m": ("up/a",), "broken": ("bad/a", "bad/b"), "later": ("bad/c",)}
            old.configure(ups, models)
            stream = await streaming(old, go_on, key)
            with another_gateway(home) as new:
                new.configure(ups, models)
                old.gateway.call("drain")
                for _ in range(3):
                    assert (await new.ask(body=body_for("broken"))).status == 503
                for _ in range(2):
                    assert (await new.ask(body=body_for(max_tokens=10), headers=key)).status == 200
                go_on.set()
                assert (await stream).endswith(ENDED[Wire.CHAT])
                assert await asyncio.to_thread(old.gateway.process.wait, 10) == 0
                for _ in range(3):
                    await new.ask(body=body_for("later"))
                if killed:
                    kill(new)
            with another_gateway(home) as third:
                third.configure(ups, models)
                held = states(third)
                used = await third.ask(body=body_for(max_tokens=200), headers=key)
                events = [event["event"] for event in third.events()]

    assert {name for name, state in held.items() if state == "degraded"} == {"bad/a", "bad/b", "bad/c"}
    # 100 tokens through the old one and 180 through the new one: of two totals the larger counts.
    assert used.status == 429
    assert "has used 180 of its 370" in used.json()["error"]["message"]
    assert "state_lost" not in events
    assert list(home.runtime.glob("*.damaged")) == []
