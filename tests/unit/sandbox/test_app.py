"""The ASGI application, driven without a server."""

import asyncio
import json

from llm_router.sandbox import app as apps
from llm_router.sandbox.app import application
from llm_router.sandbox.upstream import Request, Upstream

ASK = {"model": "echo-1", "input": "hi", "stream": True}


class Client:
    """What a server gives the application: a scope, the messages of a request, and a place for the answer."""

    def __init__(self, path: str, body: bytes, *, stays: bool = True, **headers: str) -> None:
        names = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": names}
        self.messages = [{"type": "http.request", "body": body, "more_body": False}]
        self.sent: list[dict] = []
        self.left = asyncio.Event()
        if not stays:
            self.left.set()

    async def receive(self) -> dict:
        """The request, then nothing until the client leaves."""
        if self.messages:
            return self.messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        """Keep what is sent."""
        self.sent.append(message)


async def ask(upstream: Upstream, client: Client) -> int:
    await application(upstream)(client.scope, client.receive, client.send)
    return client.sent[0]["status"] if client.sent else 0


async def test_a_stream_is_recorded():
    """Status, chunks and outcome stand in the ring."""
    upstream, client = Upstream(), Client("/v1/responses", json.dumps(ASK).encode())

    assert await ask(upstream, client) == 200
    record = upstream.recorder.latest(1)[0]
    assert (record.status, record.outcome, record.chunks) == (200, "completed", len(client.sent) - 2)


async def test_a_body_in_pieces():
    """The pieces of a body are put together."""
    upstream, client = Upstream(), Client("/v1/responses", b"")
    raw = json.dumps(ASK).encode()
    client.messages = [
        {"type": "http.request", "body": raw[:9], "more_body": True},
        {"type": "http.request", "body": raw[9:], "more_body": False},
    ]

    assert await ask(upstream, client) == 200
    assert upstream.recorder.latest(1)[0].body == raw


async def test_a_client_that_leaves():
    """Before the body is whole there is nothing to record; in a wait the record says cancelled."""
    upstream, early = Upstream(), Client("/v1/responses", b"", stays=False)
    early.messages = [{"type": "http.request", "body": b"{", "more_body": True}]
    late = Client("/v1/responses", json.dumps(ASK).encode(), stays=False, x_sandbox_fault="headers_delay=60")

    assert [await ask(upstream, client) for client in (early, late)] == [0, 0]
    assert [record.outcome for record in upstream.recorder.latest(9)] == ["cancelled"]


async def test_a_body_that_is_too_large():
    """413, and nothing of it is kept."""
    upstream, client = Upstream(), Client("/v1/responses", b"x" * (apps.LARGEST_BODY + 1))

    assert await ask(upstream, client) == 413
    assert upstream.recorder.latest(9) == []


class BrokenUpstream(Upstream):
    """An upstream with a bug."""

    def respond(self, request: Request, record: object) -> None:
        """Fail."""
        raise KeyError(request.path)


async def test_a_bug_is_answered_and_shown(capsys):
    """500 for the client, the traceback for the log."""
    client = Client("/v1/responses", b"{}")

    assert await ask(BrokenUpstream(), client) == 500
    assert "KeyError: '/v1/responses'" in capsys.readouterr().err


async def test_other_scopes_are_left_alone():
    """A websocket gets no answer."""
    client = Client("/v1/responses", b"{}")
    client.scope["type"] = "websocket"

    assert await ask(Upstream(), client) == 0
