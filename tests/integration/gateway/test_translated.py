"""The translated lane and LiteLLM's doors, with a scripted LiteLLM that comes back through them."""

import asyncio
import json
from typing import Any

import pytest
from support.rawhttp import (
    Line,
    Message,
    Script,
    answer,
    ask,
    begin_stream,
    cut_at_once,
    line_to,
    request,
    scripted_upstream,
    send_chunk,
    stream,
)
from support.stage import BEGUN, CLIENT_KEY, GENERATING, PATHS, UPSTREAM_KEY, Stage, body_for, upstream

from llm_router.routing.plan import Timeouts, Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
TRACE = "x-llm-router-trace"
ANSWER = b'{"id":"msg","type":"message"}'


def translator(port: int, generation: int = 1) -> dict[str, object]:
    return {
        "generation": generation,
        "base_url": f"http://127.0.0.1:{port}",
        "api_key": f"master-{generation}",
        "door_key": f"door-{generation}",
    }


async def through_door(stage: Stage, received: Message, *, route: str = "up.chat", **changes: Any) -> Message:
    """What LiteLLM does: ask the upstream, in its format, through its door."""
    key = changes.get("key", "door-1")
    headers = [("authorization", f"Bearer {key}"), (TRACE, received.header(TRACE) or "")]
    path = changes.get("path", "/v1/chat/completions")
    body = changes.get("body", b'{"model":"real-up","translated":true}')
    return await ask(stage.port, "POST", f"/upstream/{route}{path}", body, headers)


def translating(stage: Stage, **changes: Any) -> Script:
    """A LiteLLM that answers what the upstream's answer means, errors rewritten as LiteLLM rewrites them."""

    async def play(line: Line, received: Message) -> None:
        got = await through_door(stage, received, **changes)
        if got.status == 200:
            await answer(200, ANSWER)(line, received)
        else:
            text = {"error": {"message": f"litellm.SomeError: {got.body!r}", "code": "500"}}
            await answer(500, json.dumps(text).encode())(line, received)

    return play


def chat_only(stage: Stage, port: int, litellm_port: int | None, generation: int = 1, **plan: Any) -> None:
    """One upstream that speaks chat only, and a LiteLLM, or none yet."""
    held = translator(litellm_port, generation) if litellm_port is not None else None
    stage.configure({"up": upstream("up", f"http://127.0.0.1:{port}", Wire.CHAT)}, translator=held, **plan)


async def test_a_translated_request(stage: Stage):
    """LiteLLM gets the client's body with its own name for the account, the upstream what LiteLLM made of it."""
    async with (
        scripted_upstream(answer(200, b'{"choices":[]}')) as up,
        scripted_upstream(translating(stage)) as litellm,
    ):
        chat_only(stage, up.port, litellm.port)
        got = await stage.ask(Wire.MESSAGES, b'{"model":"m","max_tokens":3}', [("anthropic-beta", "b")])

    seen = litellm.received[0]
    assert (seen.target, seen.body) == ("/v1/messages", b'{"model":"up.chat/real-up","max_tokens":3}')
    assert (seen.header("authorization"), seen.header("anthropic-beta")) == ("Bearer master-1", "b")
    assert (seen.header(TRACE) or "").partition(".")[0] == got.header("x-request-id")
    assert up.received[0].body == b'{"model":"real-up","translated":true}'
    assert up.received[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert up.received[0].header(TRACE) is None
    assert UPSTREAM_KEY not in str(seen)
    assert (got.status, got.body, got.header("x-router-lane")) == (200, ANSWER, "translated")


async def test_counting_tokens_is_translated_too(stage: Stage):
    """LiteLLM counts for an upstream that cannot."""
    async with scripted_upstream(answer(200, b'{"input_tokens":3}')) as litellm:
        chat_only(stage, 9, litellm.port)
        got = await stage.ask(Wire.MESSAGES, path="/v1/messages/count_tokens")

    assert (got.status, got.json(), got.header("x-router-lane")) == (200, {"input_tokens": 3}, "translated")
    assert litellm.received[0].target == "/v1/messages/count_tokens"


async def test_port_4000_always_translates(stage: Stage):
    """LiteLLM's familiar door leads through LiteLLM even where the upstream speaks the client's format."""
    async with scripted_upstream(answer(200, b"{}")) as up, scripted_upstream(translating(stage)) as litellm:
        chat_only(stage, up.port, litellm.port)
        direct = await stage.ask()
        translated = await stage.ask(port=stage.gateway.translator_port)

    assert [got.header("x-router-lane") for got in (direct, translated)] == ["direct", "translated"]
    assert len(litellm.received) == 1


@pytest.mark.parametrize("wire", [Wire.RESPONSES, Wire.MESSAGES])
async def test_a_translated_stream(stage: Stage, wire: Wire):
    """It is passed on as it comes, and when LiteLLM breaks off the client gets its own format's error."""
    go_on = asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, BEGUN[wire])
        await go_on.wait()
        await send_chunk(line, b"data: 2\n\n")
        line.cut()

    async with scripted_upstream(play) as litellm, scripted_upstream(answer(200, b"{}")) as up:
        chat_only(stage, up.port, litellm.port)
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[wire], body_for(stream=True), [KEY]))
            assert (await line.head()).status == 200
            assert await line.chunk() == BEGUN[wire]
            go_on.set()
            rest = await line.chunk() + await line.chunk()

    assert rest.startswith(b"data: 2\n\n")
    assert b"stream_disconnected" in rest or b"api_error" in rest


@pytest.mark.parametrize(
    ("wire", "status", "expected"),
    [
        (Wire.MESSAGES, 400, (400, "invalid_request_error", "no such tool")),
        (Wire.MESSAGES, 429, (429, "rate_limit_error", "no such tool")),
        (Wire.MESSAGES, 401, (502, "api_error", "`up` refused the router's key with 401: no such tool")),
        (Wire.RESPONSES, 503, (503, "service_unavailable", "no such tool")),
    ],
)
async def test_the_upstreams_own_error(stage: Stage, wire: Wire, status: int, expected: tuple[int, str, str]):
    """The client is told what the upstream said, not what LiteLLM made of it."""
    error = answer(status, b'{"error":{"message":"no such tool","code":"c"}}')
    async with scripted_upstream(error) as up, scripted_upstream(translating(stage)) as litellm:
        chat_only(stage, up.port, litellm.port)
        got = await stage.ask(wire)

    held = got.json()["error"]
    assert (got.status, held["type"], held["message"]) == expected


async def test_an_error_of_an_earlier_candidate_is_not_told_for_a_later_one(stage: Stage):
    """What LiteLLM itself says to the second account is told, not what the first account's upstream said."""
    own = answer(400, b'{"error":{"message":"LiteLLM says no, key master-1","code":"c"}}')
    first = answer(500, b'{"error":{"message":"first"}}')
    async with scripted_upstream(first) as up, scripted_upstream(translating(stage), own) as litellm:
        ups = {name: upstream(name, up.url, Wire.CHAT) for name in ("up", "second")}
        stage.configure(ups, translator=translator(litellm.port))
        got = await stage.ask(Wire.MESSAGES)

    assert (got.status, got.json()["error"]["message"]) == (400, "LiteLLM says no, key ***")


async def test_rotation_between_lanes(stage: Stage):
    """A translated candidate that fails makes way for a direct one."""
    async with (
        scripted_upstream(answer(429, b"{}")) as first,
        scripted_upstream(answer(200, ANSWER)) as second,
        scripted_upstream(translating(stage)) as litellm,
    ):
        ups = {"up": upstream("up", first.url, Wire.CHAT), "two": upstream("two", second.url, Wire.MESSAGES)}
        stage.configure(ups, translator=translator(litellm.port))
        got = await stage.ask(Wire.MESSAGES)

    assert (got.status, got.header("x-router-account"), got.header("x-router-lane")) == (200, "two", "direct")


# --- a LiteLLM that is not there yet, or goes away -------------------------------------------------------------------


async def test_a_request_waits_for_its_translator(stage: Stage):
    """A request that comes before LiteLLM is answered when LiteLLM has come; the direct lane waits for nobody."""
    async with scripted_upstream(answer(200, b"{}")) as up, scripted_upstream(translating(stage)) as litellm:
        chat_only(stage, up.port, None)
        waiting = asyncio.create_task(stage.ask(Wire.MESSAGES), name="waiting")
        await stage.becomes_busy()
        assert (await stage.ask(Wire.CHAT)).status == 200
        assert not waiting.done()
        chat_only(stage, up.port, litellm.port)
        got = await waiting

    assert (got.status, got.body) == (200, ANSWER)


@pytest.mark.parametrize(("wire", "status"), [(Wire.MESSAGES, 529), (Wire.RESPONSES, 503)])
@pytest.mark.parametrize("seconds", [0.2, 0])
async def test_no_translator_comes(stage: Stage, wire: Wire, status: int, seconds: float):
    """The wait is bounded; the client is told when to try again."""
    chat_only(stage, 9, None, timeouts=Timeouts(translator=seconds))
    got = await stage.ask(wire)

    assert (got.status, got.header("retry-after")) == (status, "1")
    assert got.json()["error"]["message"] == "The translator (LiteLLM) is not ready"


async def test_a_client_that_does_not_wait(stage: Stage):
    """A client that goes away while it waits for a translator leaves nothing behind."""
    chat_only(stage, 9, None, timeouts=Timeouts(translator=60))
    line = await Line.to(stage.port)
    await line.write(request("POST", PATHS[Wire.MESSAGES], body_for(), [KEY]))
    await stage.becomes_busy()
    line.cut()
    await stage.becomes_idle()


async def test_litellm_is_killed_before_output(stage: Stage):
    """The request is asked again of the next generation, and succeeds."""
    killed = asyncio.Event()

    async def dies(line: Line, received: Message) -> None:
        line.cut()
        killed.set()

    async with scripted_upstream(answer(200, b"{}")) as up, scripted_upstream(dies) as old:
        chat_only(stage, up.port, old.port)
        asked = asyncio.create_task(stage.ask(Wire.MESSAGES), name="asked")
        await killed.wait()
        async with scripted_upstream(translating(stage, key="door-2")) as new:
            chat_only(stage, up.port, new.port, generation=2)
            got = await asked

    assert (got.status, got.body) == (200, ANSWER)


async def test_litellm_is_not_listening_for_a_while(stage: Stage):
    """A refused connection is waited out; the plan's bound ends it."""
    chat_only(stage, 9, 9, timeouts=Timeouts(translator=0.5))
    got = await stage.ask(Wire.MESSAGES)

    assert (got.status, got.json()["error"]["message"]) == (529, "`litellm` cannot be reached: connection refused")


async def test_a_request_that_brings_down_every_litellm(stage: Stage):
    """It is not sent again for ever."""
    async with scripted_upstream(cut_at_once) as litellm:
        chat_only(stage, 9, litellm.port, timeouts=Timeouts(translator=60))
        async with asyncio.timeout(10):
            got = await stage.ask(Wire.MESSAGES)

    assert (got.status, len(litellm.received)) == (529, 3)


async def test_litellm_is_slow(stage: Stage):
    """A LiteLLM that does not answer in time is a time-out, and not asked again."""

    async def never(line: Line, received: Message) -> None:
        await line.gone()

    async with scripted_upstream(never) as litellm:
        chat_only(stage, 9, litellm.port, timeouts=Timeouts(connect=0.1, first_byte=0.2, translator=60))
        got = await stage.ask(Wire.MESSAGES)

    assert (got.status, len(litellm.received)) == (504, 1)


# --- the doors -------------------------------------------------------------------------------------------------------


@pytest.fixture
def doors(stage: Stage) -> Stage:
    stage.configure(
        {
            "up": upstream("up", "http://127.0.0.1:9", Wire.CHAT),
            "two": upstream("two", "http://127.0.0.1:9", Wire.MESSAGES),
        },
        translator=translator(9),
    )
    return stage


@pytest.mark.parametrize("key", ["door-2", "wrong", "", CLIENT_KEY, "master-1", UPSTREAM_KEY])
async def test_a_wrong_door_key(doors: Stage, key: str):
    """Only the door key of a generation that is known opens a door; a client's key does not."""
    headers = [("authorization", f"Bearer {key}")] if key else []
    got = await ask(doors.port, "POST", "/upstream/up.chat/v1/chat/completions", b"{}", headers)

    assert (got.status, got.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("up.chat", "/v1/responses"),
        ("up.chat", "/v1/models"),
        ("up.chat", "/v1/chat/completions/"),
        ("up.chat", "/v1/embeddings"),
        ("up.chat", "/v1/files"),
        ("up.chat", ""),
        ("up.responses", "/v1/responses"),
        ("up.soap", "/v1/chat/completions"),
        ("nobody.chat", "/v1/chat/completions"),
        ("chat", "/v1/chat/completions"),
        ("two.messages", "/v1/chat/completions"),
        ("..%2f..", "/v1/chat/completions"),
    ],
)
async def test_a_door_that_is_not_there(doors: Stage, route: str, path: str):
    """Only what an upstream speaks, at its own path."""
    got = await ask(doors.port, "POST", f"/upstream/{route}{path}", b"{}", [("authorization", "Bearer door-1")])

    assert (got.status, got.json()["error"]["code"]) == (404, "no_such_door")


async def test_a_door_takes_post(doors: Stage):
    """Nothing else."""
    path = "/upstream/up.chat/v1/chat/completions"
    assert (await ask(doors.port, "GET", path, headers=[("authorization", "Bearer door-1")])).status == 404


@pytest.mark.parametrize(("wire", "path"), [(Wire.CHAT, "/v1/chat/completions"), (Wire.MESSAGES, "/v1/messages")])
async def test_a_door_passes_bytes(stage: Stage, wire: Wire, path: str):
    """Body and answer pass as they are, errors and streams too; the key is put in here."""
    body = b'{ "model" : "real" , "x":1.0 }'
    events = stream(BEGUN[wire], b"data: 2\n\n")
    error = answer(422, f'{{"error":"{UPSTREAM_KEY}"}}'.encode(), [("x-k", UPSTREAM_KEY)])
    async with scripted_upstream(answer(200, b"{ }"), events, error) as up:
        stage.configure({"up": upstream("up", up.url, wire)}, translator=translator(9))
        asked = {"authorization": "Bearer door-1", "x-kept": "1"}
        target = f"/upstream/up.{wire.value}{path}"
        got = [await ask(stage.port, "POST", target, body, list(asked.items())) for _ in range(3)]

    assert [(reply.status, reply.body) for reply in got] == [
        (200, b"{ }"),
        (200, BEGUN[wire] + b"data: 2\n\n"),
        (422, b'{"error":"***"}'),
    ]
    assert got[2].header("x-k") == "***"
    assert [received.body for received in up.received] == [body] * 3
    assert up.received[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert up.received[0].header("x-kept") == "1"


async def test_a_door_breaks_off_with_its_upstream(stage: Stage):
    """LiteLLM is not told that half a stream was whole."""
    async with scripted_upstream(stream(BEGUN[Wire.CHAT], whole=False)) as up:
        stage.configure({"up": upstream("up", up.url, Wire.CHAT)}, translator=translator(9))
        async with line_to(stage.port) as line:
            headers = [("authorization", "Bearer door-1")]
            await line.write(request("POST", "/upstream/up.chat/v1/chat/completions", b"{}", headers))
            assert (await line.head()).status == 200
            assert not (await line.end()).endswith(b"0\r\n\r\n")


async def test_litellm_that_goes_away_cancels_its_upstream(stage: Stage):
    """And so does, in the end, a client behind LiteLLM."""
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        asked.set()
        await line.gone()
        cancelled.set()

    async with scripted_upstream(play) as up, asyncio.timeout(10):
        stage.configure({"up": upstream("up", up.url, Wire.CHAT)}, translator=translator(9))
        line = await Line.to(stage.port)
        headers = [("authorization", "Bearer door-1")]
        await line.write(request("POST", "/upstream/up.chat/v1/chat/completions", b"{}", headers))
        await asked.wait()
        line.cut()
        await cancelled.wait()


async def test_an_old_generations_door_works_while_it_is_busy(stage: Stage):
    """A request in flight through an old LiteLLM comes through its door with the old plan; then the door closes."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        arrived.set()
        await go_on.wait()
        await translating(stage)(line, received)

    async with scripted_upstream(answer(200, b"{}")) as up, scripted_upstream(play) as old:
        chat_only(stage, up.port, old.port)
        asked = asyncio.create_task(stage.ask(Wire.MESSAGES), name="asked")
        await arrived.wait()
        stage.configure({}, translator=translator(9, generation=2))
        assert stage.stats()["translators"] == {"1": 1, "2": 0}
        go_on.set()
        got = await asked
        await stage.becomes_idle()
        assert stage.stats()["translators"] == {"2": 0}
        late = await ask(stage.port, "POST", "/upstream/up.chat/v1/chat/completions", b"{}", [("x-api-key", "door-1")])

    assert (got.status, got.body, late.status) == (200, ANSWER, 401)
    assert len(up.received) == 1


@pytest.mark.parametrize("wire", GENERATING)
async def test_a_raw_model(stage: Stage, wire: Wire):
    """A model that only LiteLLM can reach is asked for by LiteLLM's own name for it."""
    async with scripted_upstream(answer(200, ANSWER)) as litellm:
        raw = {"litellm": upstream("litellm", "", kind="litellm", key="")}
        stage.configure(raw, {"m": ("litellm/bedrock-claude",)}, translator=translator(litellm.port))
        got = await stage.ask(wire)

    assert (got.status, got.header("x-router-lane")) == (200, "raw")
    assert litellm.received[0].json()["model"] == "bedrock-claude"
