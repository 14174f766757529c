"""The last lines of a growing file, and the lines that come, over rotations."""

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

POLL = 0.1


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines; none when there is no such file. Raises OSError."""
    try:
        with path.open("rb") as file:
            return [_text(line) for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def follow(paths: list[Path], *, poll: float = POLL) -> Iterator[tuple[Path, str]]:
    """The lines that are written from now on, without end. A file may come later, or be replaced by a new one."""
    readers = [_Reader(path, at_end=path.exists()) for path in paths]
    while True:
        fresh = [(reader.path, line) for reader in readers for line in reader.read()]
        yield from fresh
        if not fresh:
            time.sleep(poll)


class _Reader:
    """Reads complete lines of one path; opens the path anew when it names another file."""

    def __init__(self, path: Path, *, at_end: bool) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        if at_end and self._open():
            self._seek_end()

    def read(self) -> list[str]:
        """The lines that were completed since the last call."""
        lines = self._take()
        if self._replaced():
            lines += self._take()
            self._close()
            if self._open():
                lines += self._take()
        return lines

    def _take(self) -> list[str]:
        if self._file is None and not self._open():
            return []
        *lines, self._rest = (self._rest + (self._file.read() if self._file else b"")).split(b"\n")
        return [_text(line) for line in lines]

    def _replaced(self) -> bool:
        if self._file is None:
            return False

        try:
            now = self.path.stat()
        except OSError:
            return False
        return os.fstat(self._file.fileno()).st_ino != now.st_ino

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except OSError:
            return False
        return True

    def _seek_end(self) -> None:
        if self._file is not None:
            self._file.seek(0, 2)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
