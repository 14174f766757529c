"""The upstream that every subject is measured against: one process, uvloop and httptools, answers made beforehand.

The model's name says what comes: `plain` is a small answer, `stream-TOKENS-RATE` that many tokens, so many each second
(0 = as fast as they go). Each token carries the time it was sent, in ns of CLOCK_MONOTONIC, which all processes share.
"""

import asyncio
import re
import socket
import sys
import time

import httptools
import uvloop

_MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"plain","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello from the upstream."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}'
)
_PLAIN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_BODY)).encode()
    + b"\r\n\r\n"
    + _BODY
)
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_BURST = 20  # tokens between two turns of the event loop when they go as fast as they can


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(delta: bytes, finish: bytes = b"null") -> bytes:
    return _chunk(
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
        b'"delta":{' + delta + b'},"finish_reason":' + finish + b"}]}\n\n"
    )


def _token() -> bytes:
    return _event(b'"content":"t=%d;"' % time.monotonic_ns())


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, tasks: set[asyncio.Task[None]]) -> None:
        self._tasks = tasks
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._writable = asyncio.Event()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found = _MODEL.search(self._body)
        model = found[1].rpartition(b"/")[2].decode() if found else "plain"
        self._body = b""
        if not model.startswith("stream-"):
            self._transport.write(_PLAIN)
            return
        _, tokens, rate = model.split("-")
        task = asyncio.get_running_loop().create_task(self._stream(int(tokens), float(rate)), name="stream")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, tokens: int, rate: float) -> None:
        loop = asyncio.get_running_loop()
        self._transport.write(_STREAM)
        self._transport.write(_event(b'"role":"assistant","content":""'))
        begun = loop.time()
        for number in range(tokens):
            if rate:
                await asyncio.sleep(max(0.0, begun + (number + 1) / rate - loop.time()))
            elif number % _BURST == 0:
                await asyncio.sleep(0)
                await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(_token())
        self._transport.write(_event(b"", b'"stop"') + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


async def serve(descriptor: int) -> None:
    """Serve an inherited listening socket until the process is ended."""
    tasks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(tasks), sock=socket.socket(fileno=descriptor), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
