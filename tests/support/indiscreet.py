"""An upstream that repeats the key it was shown in every way it can: in bodies, headers and streams."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Indiscreet:
    """Answers by model name: `good`, `refusing` (401), `failing` (500), `breaking` (a stream that ends in an error)."""

    keys: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One chat or messages request."""
        body = await request.json()
        shown = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        self.keys.append(shown)
        headers = {"x-you-sent": shown, "www-authenticate": f"Bearer {shown}"}
        match body["model"]:
            case "good":
                return await self._good(request, body)
            case "refusing":
                return web.json_response(refusal(shown), status=401, headers=headers)
            case "breaking":
                return await self._breaking(request, shown)
            case _:
                return web.Response(text=f"Traceback: Authorization: Bearer {shown}", status=500, headers=headers)

    async def _good(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not body.get("stream"):
            message = {"role": "assistant", "content": "all is well"}
            usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return web.json_response({**head("chat.completion"), "choices": choices, "usage": usage})
        stream = await begun(request)
        await say(stream, {"content": "all is well"}, None)
        await say(stream, {}, "stop")
        await stream.write(b"data: [DONE]\n\n")
        return stream

    async def _breaking(self, request: web.Request, shown: str) -> web.StreamResponse:
        stream = await begun(request)
        await say(stream, {"content": "so far so good"}, None)
        await stream.write(f"data: {json.dumps(refusal(shown))}\n\n".encode())
        if request.transport is not None:
            request.transport.abort()
        return stream


def refusal(shown: str) -> dict[str, Any]:
    """An error body with the key in it, in either wire's shape."""
    error = {"message": f"Incorrect key provided: {shown}", "type": "authentication_error", "code": "invalid_api_key"}
    return {"type": "error", "error": error}


def head(kind: str) -> dict[str, Any]:
    """What every answer begins with."""
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "good"}


async def begun(request: web.Request) -> web.StreamResponse:
    """A server-sent event stream with its headers sent."""
    stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await stream.prepare(request)
    return stream


async def say(stream: web.StreamResponse, delta: dict[str, str], finish: str | None) -> None:
    """One chunk of a chat stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {**head("chat.completion.chunk"), "choices": [choice]}
    await stream.write(f"data: {json.dumps(chunk)}\n\n".encode())


@asynccontextmanager
async def indiscreet_upstream() -> AsyncIterator[Indiscreet]:
    """The upstream on a free loopback port, for the length of the block."""
    upstream = Indiscreet()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", upstream.answer)
    application.router.add_post("/v1/messages", upstream.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.port = runner.addresses[0][1]
        yield upstream
    finally:
        await runner.cleanup()
