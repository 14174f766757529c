"""Two workers of one home: a second hop that arrives at the other one, and what each knows of a translator."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.rawhttp import Line, Message, Script, answer, ask, line_to, request, scripted_upstream, stream
from support.redis_server import running
from support.stage import PLAIN, QUICK, UPSTREAM_KEY, Stage, body_for, upstream

from llm_router.home import Home, write_private
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Wire
from llm_router.routing.shared_state import SharedState
from llm_router.testing.gateways import listener, running_gateway

pytestmark = pytest.mark.needs("redis")
CLIENT_KEY = "client-key-1"
TRACE = "x-llm-router-trace"
USAGE = b'"usage":{"prompt_tokens":70,"completion_tokens":7,"total_tokens":77}'


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Stage]]:
    """Two gateways of one home and one Redis, each at a port of its own so that a test can choose."""
    folder = tmp_path_factory.mktemp("workers")
    home = Home(folder / ".router")
    home.create()
    write_private(home.local_key, f"{CLIENT_KEY}\n".encode())
    with ExitStack() as stack:
        url = stack.enter_context(running(folder)).url
        plan = plan_for({}, url)
        environment = {"UP_KEY": UPSTREAM_KEY}
        first, second = (
            Stage(stack.enter_context(running_gateway(home.root, plan, environment=environment)), home, {"url": url})
            for _ in range(2)
        )
        yield first, second


def plan_for(ports: dict[str, int], url: str) -> Plan:
    return Plan(
        "workers",
        GatewaySettings(workers=2, client_keys=("file:keys/local.key",), timeouts=QUICK),
        TranslatorSettings(),
        {name: upstream(name, f"http://127.0.0.1:{port}", Wire.CHAT) for name, port in ports.items()},
        (Model("m", tuple(Candidate(name, "real") for name in ports)),),
        PLAIN,
        state=SharedState(url),
    )


def configure(stage: Stage, port: int, translator: dict[str, object], **more: object) -> None:
    plan = json.loads(plan_for({"up": port}, stage.settings["url"]).to_json())
    assert stage.gateway.call("configure", plan=plan, endpoints={}, translator=translator, **more)["ok"]


def translator(port: int, generation: int = 1) -> dict[str, object]:
    base_url = f"http://127.0.0.1:{port}"
    return {"generation": generation, "base_url": base_url, "api_key": "master", "door_key": f"door-{generation}"}


async def hop(stage: Stage, received: Message, generation: int = 1) -> Message:
    """What LiteLLM does: ask the upstream through a worker's door."""
    headers = [("authorization", f"Bearer door-{generation}"), (TRACE, received.header(TRACE) or "")]
    body = json.dumps({"model": "real", "stream": b'"stream": true' in received.body}).encode()
    return await ask(stage.port, "POST", "/upstream/up.chat/v1/chat/completions", body, headers)


def back_through(stage: Stage, good: Script) -> Script:
    """A LiteLLM that comes back to this worker, reports usage as nobody would, and rewrites errors."""

    async def play(line: Line, received: Message) -> None:
        got = await hop(stage, received)
        if got.status == 200:
            await good(line, received)
        else:
            await answer(500, b'{"error":{"message":"litellm.InternalServerError","code":"500"}}')(line, received)

    return play


WHOLE = answer(200, b'{"id":"x","type":"message","usage":{"input_tokens":1,"output_tokens":1}}')
STREAMED = stream(
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1}}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"text":"a"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":1}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
UPSTREAM_WHOLE = answer(200, b'{"choices":[],' + USAGE + b"}")
UPSTREAM_STREAM = stream(
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    b'data: {"choices":[],' + USAGE + b"}\n\n",
    b"data: [DONE]\n\n",
)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("other", [0, 1], ids=["same-worker", "other-worker"])
async def test_usage_is_what_the_upstream_reported(stages: tuple[Stage, Stage], other: int, streamed: bool) -> None:
    """Whichever worker LiteLLM comes back to, the row of the one that waits has the upstream's own numbers."""
    first = stages[0]
    async with (
        scripted_upstream(UPSTREAM_STREAM if streamed else UPSTREAM_WHOLE) as up,
        scripted_upstream(back_through(stages[other], STREAMED if streamed else WHOLE)) as litellm,
    ):
        for stage in stages:
            configure(stage, up.port, translator(litellm.port))
        got = await first.ask(Wire.MESSAGES, body_for(stream=streamed))

    assert (got.status, got.header("x-router-lane")) == (200, "translated")
    row = first.row(got.header("x-request-id"))
    assert (row["input"], row["output"], row["usage_source"]) == (70, 7, "reported")


@pytest.mark.parametrize("other", [0, 1], ids=["same-worker", "other-worker"])
async def test_a_refusal_is_the_upstreams_own(stages: tuple[Stage, Stage], other: int) -> None:
    """A throttle stays a throttle, with its wait, though LiteLLM calls it an error of its own."""
    headers = [("content-type", "application/json"), ("retry-after", "7")]
    body = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'
    async with (
        scripted_upstream(answer(429, body, headers)) as up,
        scripted_upstream(back_through(stages[other], WHOLE)) as litellm,
    ):
        for stage in stages:
            configure(stage, up.port, translator(litellm.port))
        got = await stages[0].ask(Wire.MESSAGES)

    assert (got.status, got.header("retry-after")) == (429, "7")
    assert "slow down" in got.body.decode()
    assert stages[0].row(got.header("x-request-id"))["attempts"][0]["outcome"] == "throttle"
    stages[0].forgive()


async def test_a_worker_keeps_the_door_of_a_translator_that_another_uses(stages: tuple[Stage, Stage]) -> None:
    """LiteLLM was exchanged while a request ran through it, and comes back to a worker that never used it."""
    first, second = stages
    new: dict[str, Any] = {}

    async def play(line: Line, received: Message) -> None:
        for stage in stages:
            configure(stage, up.port, new)
        got = await hop(second, received, generation=8)
        await answer(got.status, got.body)(line, received)

    async with (
        scripted_upstream(UPSTREAM_WHOLE) as up,
        scripted_upstream(play) as old,
        scripted_upstream(WHOLE) as litellm,
    ):
        new.update(translator(litellm.port, 9))
        for stage in stages:
            configure(stage, up.port, translator(old.port, 8))
        got = await first.ask(Wire.MESSAGES)
        assert got.status == 200
        assert first.row(got.header("x-request-id"))["input"] == 70
        configure(second, up.port, translator(litellm.port, 12), former=[translator(old.port, 11)])
        assert (await hop(second, old.received[0], generation=11)).status == 200


async def test_a_trace_that_nobody_waits_for(stages: tuple[Stage, Stage]) -> None:
    """Made up, of a gateway that ended, or no trace at all: the hop is served, and nobody is told."""
    async with scripted_upstream(UPSTREAM_WHOLE) as up:
        for stage in stages:
            configure(stage, up.port, translator(9, 20))
        for trace in ("", "x", "r.1.1", "r.1.../../x", f"r.1.{stages[1].gateway.process.pid}"):
            headers = [("authorization", "Bearer door-20"), (TRACE, trace)]
            got = await ask(
                stages[0].port, "POST", "/upstream/up.chat/v1/chat/completions", b'{"model":"real"}', headers
            )
            assert got.status == 200


async def test_connections_are_shared_evenly(tmp_path: Path) -> None:
    """Whether they come one after the other or at once, each worker of a door has its part, and all are served."""
    home = Home(tmp_path / ".router")
    home.create()
    with ExitStack() as stack:
        plan = plan_for({}, stack.enter_context(running(tmp_path)).url)
        doors = listener(), listener()
        for door in doors:
            stack.callback(door.close)
        pids = [stack.enter_context(running_gateway(home.root, plan, doors=doors)).process.pid for _ in range(2)]
        port = doors[0].getsockname()[1]

        async def served(line: Line) -> int:
            await line.write(request("GET", "/healthz"))
            return (await line.message()).status

        async with AsyncExitStack() as lines:
            for _ in range(20):
                assert await served(await lines.enter_async_context(line_to(port))) == 200
            assert min(held_by(pids, port)) >= 7
        async with AsyncExitStack() as lines:
            held = [await lines.enter_async_context(line_to(port)) for _ in range(40)]
            assert set(await asyncio.gather(*map(served, held))) == {200}
            assert min(held_by(pids, port)) >= 12


def held_by(pids: list[int], port: int) -> list[int]:
    """How many clients each process holds."""
    return [
        sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
            for one in psutil.Process(pid).net_connections(kind="tcp")
        )
        for pid in pids
    ]


def test_letter_boxes_are_private_and_go_with_their_gateways(tmp_path: Path) -> None:
    """One for each gateway, closed to others; a killed gateway's is cleared away by the next."""
    home = Home(tmp_path / ".router")
    home.create()
    plan = Plan("alone", GatewaySettings(), TranslatorSettings(enabled=False), {}, ())
    with running_gateway(home.root, plan) as first:
        (box,) = home.runtime.glob("hops-*.sock")
        assert (box.stat().st_mode & 0o777, box.name) == (0o600, f"hops-{first.process.pid}.sock")
        first.process.kill()
        first.process.wait()
    assert box.exists()
    with running_gateway(home.root, plan) as second:
        assert [held.name for held in home.runtime.glob("hops-*.sock")] == [f"hops-{second.process.pid}.sock"]
    assert list(home.runtime.glob("hops-*.sock")) == []
