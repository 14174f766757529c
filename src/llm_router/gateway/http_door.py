"""The gateway's own door: uvicorn's HTTP/1.1 protocol, which sends an answer's head together with what follows it.

One write less for each answer: the head waits for the first of the body, but never longer than the turn of the event
loop in which it was written.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "


class HeadWithBody:
    """A transport that holds an answer's head back until the next write, or the end of the turn."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def write(self, data: bytes) -> None:
        """Send bytes, behind what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data.startswith(_HEAD):
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held and hang up."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 # whatever else a transport has
        return getattr(self._transport, name)


class Door(HttpToolsProtocol):
    """Uvicorn's protocol over a transport that joins heads and bodies."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the class above
        """A client has connected."""
        super().connection_made(transport)
        self.transport = HeadWithBody(transport)  # type: ignore[assignment] # it passes for one
