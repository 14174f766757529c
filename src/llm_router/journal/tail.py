"""The last lines of a growing file, and the lines that come, over rotations."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

POLL = 0.1


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines; none when there is no such file. Raises OSError."""
    try:
        with path.open("rb") as file:
            return [_text(line) for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def follow(paths: list[Path], *, poll: float = POLL) -> Iterator[tuple[Path, str]]:
    """The lines that are written after this call, without end. A file may come later, or be replaced by a new one."""
    return _fresh([_Reader(path, at_end=path.exists()) for path in paths], poll)


def _fresh(readers: list["_Reader"], poll: float) -> Iterator[tuple[Path, str]]:
    while True:
        fresh = [(reader.path, line) for reader in readers for line in reader.read()]
        yield from fresh
        if not fresh:
            time.sleep(poll)


class _Reader:
    """Reads complete lines of one path. Holds no file open: a reader may be dropped at any time."""

    def __init__(self, path: Path, *, at_end: bool) -> None:
        self.path = path
        self._file, self._offset = _place(path) if at_end else (0, 0)
        self._rest = b""

    def read(self) -> list[str]:
        """The lines that were completed since the last call."""
        now, _ = _place(self.path)
        lines: list[str] = []
        if now != self._file:
            rotated = self.path.with_name(f"{self.path.name}.1")
            if self._file and _place(rotated)[0] == self._file:
                lines += self._take(rotated)
            self._file, self._offset, self._rest = now, 0, b""
        return lines + self._take(self.path)

    def _take(self, path: Path) -> list[str]:
        try:
            with path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except OSError:
            return []
        self._offset += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        return [_text(line) for line in lines]


def _place(path: Path) -> tuple[int, int]:
    """Which file a path names (0 for none), and how long it is."""
    try:
        seen = path.stat()
    except OSError:
        return 0, 0
    return seen.st_ino, seen.st_size


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
