"""From a host's name to an open socket: names looked up once in a while, addresses tried side by side."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

_REMEMBERED_SECONDS = 30.0
_MOST_NAMES = 512
_HEAD_START = 0.25  # seconds an address has before the next is tried beside it (RFC 8305)

Address = tuple[int, tuple[Any, ...]]  # family, socket address


class Names:
    """Looks names up. Every name is asked for at most once at a time, and remembered for 30 s."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[list[Address] | OSError]] = {}

    def forget(self, host: str, port: int) -> None:
        """Its addresses did not lead there: ask anew the next time."""
        self._known.pop((host, port), None)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Where a name leads, in the order to try. Raises socket.gaierror."""
        key = (host, port)
        loop = asyncio.get_running_loop()
        expires, addresses = self._known.get(key, (0.0, []))
        if loop.time() < expires:
            return addresses
        if key not in self._asked:
            task = asyncio.create_task(_ask(host, port), name=f"look-up-{host}")
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        # Shielded: others may wait for the same answer.
        found = await asyncio.shield(self._asked[key])
        if isinstance(found, OSError):
            raise found
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[key] = (loop.time() + _REMEMBERED_SECONDS, found)
        return found


async def _ask(host: str, port: int) -> list[Address] | OSError:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        return socket.gaierror(socket.EAI_NONAME, str(error))
    except OSError as error:
        return error
    return interleaved([(family, address) for family, _, _, _, address in found])


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """The families in turn, the one that the resolver prefers first, so that one dead family costs one head start."""
    first = [held for held in addresses if held[0] == addresses[0][0]]
    others = [held for held in addresses if held[0] != addresses[0][0]]
    mixed: list[Address] = []
    for index in range(max(len(first), len(others))):
        mixed += first[index : index + 1] + others[index : index + 1]
    return mixed


async def _connect(address: Address) -> socket.socket:
    held = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        held.setblocking(False)
        await asyncio.get_running_loop().sock_connect(held, address[1])
    except BaseException:
        held.close()
        raise
    return held


async def first_to_connect(addresses: Sequence[Address]) -> socket.socket:
    """The first of several addresses to connect. Raises the last failure when none does."""
    left = list(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while left or running:
            if left:
                running.add(asyncio.create_task(_connect(left.pop(0)), name="connect"))
            delay = _HEAD_START if left else None
            await asyncio.wait(running, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in [held for held in running if held.done()]:
                running.discard(task)
                if (error := task.exception()) is None:
                    return task.result()
                failure = error
        raise failure
    finally:
        await _call_off(running)


async def _call_off(running: set[asyncio.Task[socket.socket]]) -> None:
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()
