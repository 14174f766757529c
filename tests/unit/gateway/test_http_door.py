"""An answer's head and body leave together."""

import asyncio

from llm_router.gateway.http_door import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Recording(asyncio.Transport):
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.done: list[object] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("closed")


async def test_head_waits_for_the_body():
    """One write for an answer that is there as a whole; what follows goes out as it comes."""
    transport = Recording()
    door = HeadWithBody(transport)
    door.write(HEAD)
    assert transport.done == []

    door.write(b"ok")
    door.write(b"more")
    await asyncio.sleep(0)
    assert transport.done == [HEAD + b"ok", b"more"]


async def test_head_waits_one_turn_only():
    """A head without a body goes out at the end of the turn."""
    transport = Recording()
    door = HeadWithBody(transport)
    door.write(HEAD)
    await asyncio.sleep(0)
    assert transport.done == [HEAD]

    door.write(b"late")
    assert transport.done == [HEAD, b"late"]


async def test_two_heads():
    """An interim answer and the one behind it keep their order."""
    transport = Recording()
    door = HeadWithBody(transport)
    door.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    door.write(HEAD)
    await asyncio.sleep(0)
    assert transport.done == [b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD]


async def test_hanging_up_loses_nothing():
    """What is held is sent before the connection closes."""
    transport = Recording()
    door = HeadWithBody(transport)
    door.write(HEAD)
    door.close()
    await asyncio.sleep(0)
    assert transport.done == [HEAD, "closed"]


async def test_everything_else_is_the_transport():
    """Whoever asks for more gets the transport's own answer."""
    assert HeadWithBody(Recording()).get_extra_info("peername") == ("127.0.0.1", 1)
