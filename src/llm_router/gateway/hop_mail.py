"""Letters between the gateways of one home: a second hop may arrive at another worker than the one that waits for it.

Each gateway has a Unix datagram socket in `runtime/`, closed to everybody but its user. A letter is written before the
bytes that it explains are sent to LiteLLM, and lies in the receiver's queue from then on: whoever has LiteLLM's answer
finds the letter when he looks. Where no such socket can be made, each gateway knows what it met itself.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llm_router.home import FILE_MODE

_LONGEST = 64 * 1024
_FULL_TRIES = 50  # a receiver whose queue is full gets so many milliseconds to read
_FULL_PAUSE = 0.002  # seconds

type Letter = dict[str, Any]


class HopMail:
    """This process's letter box. `name` is what others write to; it is empty while there is none."""

    def __init__(self, folder: Path, take: Callable[[Letter], None]) -> None:
        """`take` is given each letter; ValueError, KeyError and TypeError from it mean that it is none of ours."""
        self._folder = folder
        self._take = take
        self._box: socket.socket | None = None
        self.name = ""
        self.lost = 0

    def open(self) -> None:
        """Make the box, and clear away those of gateways that were killed. Raises nothing."""
        name = str(os.getpid())
        path = self._path(name)
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        box.setblocking(False)
        try:
            path.unlink(missing_ok=True)
            box.bind(str(path))
            path.chmod(FILE_MODE)
        except OSError:
            box.close()
            return
        self._box, self.name = box, name
        asyncio.get_running_loop().add_reader(box, self.collect)  # a full box holds others up
        for other in self._folder.glob("hops-*.sock"):
            if other != path and not _has_reader(other):
                other.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the box away."""
        if self._box is not None:
            asyncio.get_running_loop().remove_reader(self._box)
            self._box.close()
            self._box = None
            self._path(self.name).unlink(missing_ok=True)

    async def post(self, name: str, letter: Mapping[str, Any]) -> bool:
        """Put a letter into another gateway's box; whether it lies there."""
        text = json.dumps(letter).encode()
        path = str(self._path(name)) if name.isdigit() else ""
        if self._box is None or not path or len(text) > _LONGEST:
            self.lost += 1
            return False
        for _ in range(_FULL_TRIES):
            try:
                self._box.sendto(text, path)
            except BlockingIOError:
                await asyncio.sleep(_FULL_PAUSE)
            except OSError:  # it ended, and with it the request
                break
            else:
                return True
        self.lost += 1
        return False

    def collect(self) -> None:
        """Read what lies in the box now, oldest first."""
        while self._box is not None:
            try:
                text = self._box.recv(_LONGEST)
            except OSError:
                return
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(text))

    def _path(self, name: str) -> Path:
        return self._folder / f"hops-{name}.sock"


def _has_reader(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
