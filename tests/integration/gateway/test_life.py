"""The process: a plan taken between two requests, its end, and what it says of itself."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.rawhttp import (
    Line,
    Message,
    answer,
    ask,
    begin_stream,
    line_to,
    request,
    scripted_upstream,
    send_chunk,
)
from support.stage import CLIENT_KEY, PATHS, UPSTREAM_KEY, Stage, body_for, staged_gateway, upstream

from llm_router.routing.plan import GatewaySettings, Plan, TranslatorSettings, Wire
from llm_router.testing.gateways import listener

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
END = b"data: [DONE]\n\n"


async def test_a_plan_takes_effect_between_two_requests(stage: Stage):
    """A request under way ends with the plan it began with; the next one has the new plan."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, b"data: old\n\n")
        arrived.set()
        await go_on.wait()
        await send_chunk(line, END)
        await line.write(b"0\r\n\r\n")

    async with scripted_upstream(play) as old, scripted_upstream(answer(200, b'{"new":1}')) as new:
        stage.direct(old.port)
        under_way = asyncio.create_task(stage.ask(body=body_for(stream=True)), name="under-way")
        await arrived.wait()
        stage.direct(new.port)
        assert (await stage.ask()).json() == {"new": 1}
        go_on.set()
        assert (await under_way).body == b"data: old\n\n" + END


async def test_a_unit_upstream(stage: Stage):
    """`unit://` is wherever the supervisor says that the unit is."""
    async with scripted_upstream(answer(200, b"{}")) as up:
        unit = {"up": upstream("up", "unit://sandbox", kind="sandbox", key="")}
        stage.configure(unit)
        before = await stage.ask()
        stage.configure(unit, endpoints={"sandbox": up.url})
        after = await stage.ask()

    assert (before.status, after.status) == (503, 200)
    assert up.received[0].header("authorization") is None


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'"x"',
        b'{"id":7}',
        b'{"id":7,"op":"dance"}',
        b'{"id":7,"op":"configure"}',
        b'{"id":7,"op":"configure","plan":[],"endpoints":{}}',
        b'{"id":7,"op":"configure","plan":{"schema":99}}',
        b'{"id":7,"op":"configure","plan":{"schema":1}}',
    ],
)
async def test_a_message_that_cannot_be_used(stage: Stage, line: bytes):
    """It is answered with a no that quotes nothing of it, and the gateway goes on with its plan."""
    stage.gateway.channel.sendall(line + b"\n")
    reply = stage.gateway.read()

    assert reply["ok"] is False
    assert reply["error"].startswith("the message cannot be used: ")
    assert (await ask(stage.port, "GET", "/healthz")).status == 200


def test_a_broken_translator_message_keeps_the_plan(stage: Stage):
    """A `configure` is taken as a whole or not at all."""
    stage.configure({"up": upstream("up", "http://127.0.0.1:9")}, {"before": ("up/a",)})
    plan = json.loads(stage.plan({}).to_json())
    reply = stage.gateway.call("configure", plan=plan, endpoints={}, translator={"generation": 5, "api_key": "canary"})

    assert (reply["ok"], "canary" in str(reply)) == (False, False)
    models = asyncio.run(stage.ask(path="/v1/models", method="GET", body=b"")).json()
    assert [row["id"] for row in models["data"]] == ["before"]


def test_ping(stage: Stage):
    """The supervisor can ask whether the loop turns."""
    assert stage.gateway.call("ping")["ok"] is True


@pytest.mark.parametrize("way", ["drain", "hang-up"])
async def test_what_is_in_flight_is_finished(tmp_path: Path, way: str):
    """Asked to drain, or left by its supervisor, the gateway ends what it has begun and exits with 0."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, b"data: 1\n\n")
        arrived.set()
        await go_on.wait()
        await send_chunk(line, END)
        await line.write(b"0\r\n\r\n")

    with staged_gateway(tmp_path) as held:
        async with scripted_upstream(play) as up, line_to(held.port) as idle:
            held.direct(up.port)
            assert (await idle.ask("GET", "/healthz")).status == 200
            async with line_to(held.port) as line:
                await line.write(request("POST", PATHS[Wire.CHAT], body_for(stream=True), [KEY]))
                await arrived.wait()
                if way == "drain":
                    assert held.gateway.call("drain")["ok"] is True
                else:
                    held.gateway.channel.close()
                # A connection without a request is closed when the gateway has heard, so now it drains.
                assert await idle.end() == b""
                assert held.gateway.process.poll() is None
                go_on.set()
                assert (await line.message()).body == b"data: 1\n\n" + END
                assert await asyncio.to_thread(held.gateway.process.wait, 10) == 0


def test_a_supervisor_that_is_gone_at_once(tmp_path: Path):
    """A gateway whose supervisor dies right after its start ends in order too."""
    with staged_gateway(tmp_path) as held:
        held.gateway.channel.close()

        assert held.gateway.process.wait(10) == 0


@pytest.mark.parametrize("said", [b"", b'{"id":1,"op":"conf', b"configure"], ids=["nothing", "half", "configure"])
def test_a_supervisor_that_is_gone_before_the_gateway_is_ready(tmp_path: Path, said: bytes):
    """Whatever it had said by then, the gateway exits in order."""
    if said == b"configure":
        plan = Plan("empty", GatewaySettings(), TranslatorSettings(), {}, ())
        said = json.dumps({"id": 1, "op": "configure", "plan": json.loads(plan.to_json())}).encode() + b"\n"
    ours, theirs = socket.socketpair()
    with ours, theirs, listener() as listening:
        ours.sendall(said)
        ours.close()
        done = subprocess.run(
            [sys.executable, "-m", "llm_router.gateway"],
            env={
                "PATH": os.environ["PATH"],
                "LLM_ROUTER_LISTEN_FDS": f"gateway={listening.fileno()}",
                "LLM_ROUTER_CONTROL_FD": str(theirs.fileno()),
                "LLM_ROUTER_HOME": str(tmp_path),
            },
            pass_fds=(listening.fileno(), theirs.fileno()),
            capture_output=True,
            timeout=20,
            check=False,
        )

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


async def test_nothing_secret_is_in_the_process_list(stage: Stage):
    """Neither command line nor environment hold a client key or a LiteLLM key; only named variables are there."""
    folder = Path(f"/proc/{stage.gateway.process.pid}")
    if not folder.exists():
        pytest.skip("no /proc here")

    assert CLIENT_KEY not in (folder / "cmdline").read_text() + (folder / "environ").read_text()
    assert UPSTREAM_KEY not in (folder / "cmdline").read_text()
