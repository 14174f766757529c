"""Clients that try to get more than their key allows."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.rawhttp import Line, Message, answer, begin_stream, line_to, request, scripted_upstream
from support.stage import PATHS, Stage, upstream

from llm_router.routing.plan import Wire
from llm_router.secrets.client_keys import Wanted, create_key

_names = (f"cheat-{number}" for number in itertools.count())
WORDS = "word " * 400
CHUNK = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % WORDS.encode()


@pytest.fixture(autouse=True)
def no_keys_left(stage: Stage) -> Iterator[None]:
    """Other tests of this gateway know one key only."""
    yield
    (stage.home.keys / "clients.json").unlink(missing_ok=True)


def key_of(stage: Stage, **limits: int) -> list[tuple[str, str]]:
    """The headers of a new key with these limits."""
    _, secret = create_key(stage.home, next(_names), Wanted(limits=limits))
    return [("authorization", f"Bearer {secret.reveal()}"), ("x-session-id", "s")]


async def asked(stage: Stage, port: int, headers: list[tuple[str, str]], wire: Wire, **members: Any) -> Message:
    stage.configure({"up": upstream("up", f"http://127.0.0.1:{port}")})
    async with line_to(stage.port) as line:
        return await line.ask("POST", PATHS[wire], json.dumps({"model": "m", **members}).encode(), headers)


@pytest.mark.parametrize(
    ("wire", "sent", "arrived"),
    [
        (Wire.CHAT, {"n": 4, "max_tokens": 4000}, {"n": 4, "max_tokens": 1000}),
        (Wire.CHAT, {"n": 4}, {"n": 4, "max_completion_tokens": 1000}),
        (Wire.CHAT, {"n": 4, "max_tokens": 1000}, {"n": 4, "max_tokens": 1000}),
        (Wire.CHAT, {"best_of": 100_000, "max_tokens": 5}, {"best_of": 100_000, "max_tokens": 1}),
        (Wire.CHAT, {"n": 1, "max_tokens": 4000}, {"n": 1, "max_tokens": 4000}),
        (
            Wire.MESSAGES,
            {"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": 60_000}},
            {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 3999}},
        ),
    ],
)
async def test_an_output_cap_holds_for_all_that_comes_out(
    stage: Stage, wire: Wire, sent: dict[str, Any], arrived: dict[str, Any]
):
    """Several answers share it, and thinking stays below it."""
    async with scripted_upstream(answer(200, b'{"choices":[]}')) as up:
        got = await asked(stage, up.port, key_of(stage, output_cap=4000), wire, **sent)

    assert got.status == 200
    assert json.loads(up.received[0].body) == {"model": "real-up", **arrived}


async def test_several_answers_are_reserved(stage: Stage):
    """A hundred answers need a hundred caps of the session's budget."""
    async with scripted_upstream(answer(200, b'{"choices":[]}')) as up:
        headers = key_of(stage, session_tokens=10_000, output_cap=0)
        few = await asked(stage, up.port, headers, Wire.CHAT, n=2, max_tokens=1000)
        many = await asked(stage, up.port, headers, Wire.CHAT, n=100, max_tokens=1000)

    assert (few.status, many.status, len(up.received)) == (200, 429, 1)
    assert many.json()["error"]["code"] == "session_token_budget_exceeded"


async def test_hanging_up_before_the_end_is_not_free(stage: Stage):
    """Who reads a stream nearly to its end and leaves has used what came."""

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, CHUNK, CHUNK, CHUNK)
        await line.gone()

    async with scripted_upstream(play) as up:
        stage.configure({"up": upstream("up", up.url)})
        headers = key_of(stage, session_tokens=2000, session_concurrency=0)
        stage.configure({"up": upstream("up", up.url)})
        body = json.dumps({"model": "m", "stream": True, "max_tokens": 600}).encode()
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[Wire.CHAT], body, headers))
            assert (await line.head()).status == 200
            read = 0
            while read < 3 * len(CHUNK):
                read += len(await line.chunk())
            line.cut()
        await stage.becomes_idle()
        async with line_to(stage.port) as line:
            again = await line.ask("POST", PATHS[Wire.CHAT], body, headers)

    assert (again.status, again.json()["error"]["code"]) == (429, "session_token_budget_exceeded")
    assert stage.rows()[-2]["code"] == "CANCELED"


async def test_a_race_for_the_last_of_a_budget(stage: Stage):
    """Of requests sent at once, as many are let through as the budget holds."""
    async with scripted_upstream(answer(200, b'{"choices":[]}')) as up:
        stage.configure({"up": upstream("up", up.url)})
        headers = key_of(stage, session_tokens=3500, session_concurrency=0, concurrency=0, requests_per_minute=0)
        stage.configure({"up": upstream("up", up.url)})
        release = asyncio.Event()

        async def play(line: Line, received: Message) -> None:
            await release.wait()
            await answer(500, b"{}")(line, received)

        up.play(play)
        body = json.dumps({"model": "m", "max_tokens": 1000}).encode()

        async def one() -> Message:
            async with line_to(stage.port) as line:
                return await line.ask("POST", PATHS[Wire.CHAT], body, headers)

        tasks = [asyncio.ensure_future(one()) for _ in range(20)]
        done: set[asyncio.Task[Message]] = set()
        while len(done) < 17:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            done = {task for task in tasks if task.done()}
        release.set()
        statuses = sorted(got.status for got in await asyncio.gather(*tasks))

    assert statuses[:17] == [429] * 17
    assert len(up.received) == 3
