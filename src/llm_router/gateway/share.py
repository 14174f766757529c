"""How several workers share the connections of one door: each takes one when it has no more than the others have.

Left to the kernel, whoever wakes first takes all that wait, and clients keep their connections: one worker would do all
the work. Each worker writes how many it has into a small file that all map; a line older than a second says nothing.
Who has more than another leaves a connection to it for two milliseconds, and takes it when it is still there then.
"""

import asyncio
import contextlib
import fcntl
import mmap
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from llm_router.home import FILE_MODE

_LINE = struct.Struct("<Id")  # connections, and when that was written (monotonic seconds, the same for all processes)
_LINES = 64
_SIZE = 16 * _LINES
_FRESH = 1.0  # seconds
_BEAT = 0.1  # seconds between two lines
_LEAVE = 0.002  # seconds for which a connection is left to others

type Count = Callable[[], int]
type Factory = Callable[[], asyncio.Protocol]


class Share:
    """What the workers of one home know of each other. Where no file can be shared, each takes what comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._descriptor = -1
        self._line = 0

    def open(self) -> None:
        """Map the file and take a line of it, which falls free with the process. Raises nothing."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
            os.ftruncate(self._descriptor, _SIZE)
            for line in range(_LINES):
                with contextlib.suppress(BlockingIOError, PermissionError):
                    fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, line)
                    self._line = line
                    self._map = mmap.mmap(self._descriptor, _SIZE)
                    return
        except OSError:
            return

    def close(self) -> None:
        """Give the line back."""
        if self._map is not None:
            _LINE.pack_into(self._map, 16 * self._line, 0, 0.0)
            self._map.close()
            self._map = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def say(self, connections: int) -> None:
        """Tell the others how many this worker has."""
        if self._map is not None:
            _LINE.pack_into(self._map, 16 * self._line, connections, time.monotonic())

    def is_mine(self, connections: int) -> bool:
        """Whether no other worker that is at work has fewer."""
        if self._map is None:
            return True
        oldest = time.monotonic() - _FRESH
        for line in range(_LINES):
            if line != self._line:
                held, written = _LINE.unpack_from(self._map, 16 * line)
                if written > oldest and held < connections:
                    return False
        return True


class FairDoors:
    """Accepts on the doors of several workers, one connection at a time."""

    def __init__(self, share: Share, factory: Factory, count: Count) -> None:
        """`factory` makes a connection's protocol, `count` says how many connections there are."""
        self._share = share
        self._factory = factory
        self._count = count
        self._doors: list[socket.socket] = []
        self._coming: set[asyncio.Task[object]] = set()
        self._beat: asyncio.TimerHandle | None = None

    def open(self, doors: Iterable[socket.socket]) -> None:
        """Begin to accept."""
        self._share.open()
        self._doors = list(doors)
        for door in self._doors:
            door.setblocking(False)
            asyncio.get_running_loop().add_reader(door, self._knock, door)
        self._tell()

    def close(self) -> None:
        """Accept no more; what has been accepted is served."""
        doors, self._doors = self._doors, []
        for door in doors:
            asyncio.get_running_loop().remove_reader(door)
        if self._beat is not None:
            self._beat.cancel()
        self._share.close()

    @property
    def coming(self) -> set[asyncio.Task[object]]:
        """Connections that were accepted a moment ago and are not counted yet."""
        return self._coming

    def _tell(self) -> None:
        self._share.say(self._held())
        self._beat = asyncio.get_running_loop().call_later(_BEAT, self._tell)

    def _held(self) -> int:
        return self._count() + len(self._coming)

    def _knock(self, door: socket.socket) -> None:
        if self._share.is_mine(self._held()):
            self._take(door)
        else:
            self._leave(door, _LEAVE)

    def _leave(self, door: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(door)
        loop.call_later(seconds, self._look_again, door)

    def _look_again(self, door: socket.socket) -> None:
        if door in self._doors:
            asyncio.get_running_loop().add_reader(door, self._knock, door)
            self._take(door)

    def _take(self, door: socket.socket) -> None:
        try:
            connection, _ = door.accept()
        except (BlockingIOError, ConnectionError):  # another worker was faster, or the client has left
            return
        except OSError:  # no descriptor is free: asked again at once, this would keep the loop busy
            self._leave(door, _BEAT)
            return
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[object] = loop.create_task(self._serve(connection), name="connection")
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)
        self._share.say(self._held())

    async def _serve(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._factory, connection)
        except OSError:
            connection.close()
