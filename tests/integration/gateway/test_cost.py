"""What a request costs: the gateway's CPU against that of a bare server, measured in turn on the same machine."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from llm_router.home import Home
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Upstream, Wire
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import listener, running_gateway

# Some 8 where nothing else runs: the budget leaves room for a busy machine, and none for a mistake on the hot path.
MOST_TIMES_A_BARE_SERVER = 15.0
CONNECTIONS = 16
REQUESTS = 1600  # of one round
ROUNDS = 5
LIMITS = {
    "requests_per_minute": 1_000_000,
    "session_tokens": 1_000_000_000_000,
    "output_cap": 1_000_000,
    "messages": 1_000_000,
    "session_concurrency": 10_000,
    "concurrency": 10_000,
}
BODY = (
    b'{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"How are you today?"}]}'
)
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Well."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
)
BARE = """
import socket, sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(sys.argv[2]))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": sys.argv[2].encode()})
config = uvicorn.Config(app, http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


class Answering(asyncio.Protocol):
    """An upstream that gives the same answer to every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        if self.held.endswith(b"}]}"):
            self.held = b""
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
            self.transport.write(head + ANSWER)  # type: ignore[attr-defined]


@contextmanager
def bare_server() -> Iterator[tuple[int, psutil.Process]]:
    """A server that does nothing but answer."""
    with listener() as held:
        command = [sys.executable, "-c", BARE, str(held.fileno()), ANSWER.decode()]
        child = subprocess.Popen(command, pass_fds=[held.fileno()])
        port = held.getsockname()[1]
    try:
        yield port, psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


@contextmanager
def whole_gateway(folder: Path, upstream: int) -> Iterator[tuple[int, psutil.Process, str]]:
    """A gateway with every limit on, its ledger, its events and its state."""
    home = Home(folder)
    home.create()
    _, key = create_key(home, "cost", Wanted(limits=LIMITS))
    account = Upstream("a", "openai", f"http://127.0.0.1:{upstream}/v1", (Wire.CHAT,), key="env:COST_KEY")
    models = (Model("*", (Candidate("a", "*"),)),)
    plan = Plan("cost", GatewaySettings(), TranslatorSettings(enabled=False), {"a": account}, models)
    with running_gateway(folder, plan, environment={"COST_KEY": "sk-cost"}) as running:
        yield running.port, psutil.Process(running.process.pid), key.reveal()


async def ask_often(port: int, key: str) -> None:
    """So many requests over so many connections; every one of them is answered well."""
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY

    async def go_on() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(REQUESTS // CONNECTIONS):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert await reader.readexactly(len(ANSWER)) == ANSWER
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(go_on() for _ in range(CONNECTIONS)))


async def cpu_of(process: psutil.Process, port: int, key: str = "") -> float:
    """Seconds of CPU that one round takes."""
    before = sum(process.cpu_times()[:2])
    await ask_often(port, key)
    return sum(process.cpu_times()[:2]) - before


async def test_cpu_of_a_request(tmp_path: Path):
    """With everything on a request costs a small multiple of what a bare server takes to answer at all."""
    upstream = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    with (
        bare_server() as (bare_port, bare),
        whole_gateway(tmp_path, upstream.sockets[0].getsockname()[1]) as (port, gateway, key),
    ):
        await ask_often(bare_port, "")
        await ask_often(port, key)
        rounds = [(await cpu_of(gateway, port, key), await cpu_of(bare, bare_port)) for _ in range(ROUNDS)]
    upstream.close()
    ours, theirs = (sum(values) / ROUNDS for values in zip(*rounds, strict=True))
    assert ours <= MOST_TIMES_A_BARE_SERVER * theirs, (
        f"{ours / REQUESTS * 1e6:.0f} µs, bare {theirs / REQUESTS * 1e6:.0f}"
    )
