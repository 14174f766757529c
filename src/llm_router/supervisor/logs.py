"""Unit logs: 0600 from the first byte, redacted line by line, rotated at 10 MiB with three kept."""

import os
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from llm_router.home import FILE_MODE

LARGEST_FILE = 10 * 1024 * 1024
KEPT = 3
TAIL = 40
LONGEST_LINE = 64 * 1024
MASK = b"***"
_PATTERNS = (
    re.compile(rb"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(rb"(?i)((?:x-api-key|api[-_]key|authorization)[\"']?\s*[:=]\s*[\"']?)(?!bearer)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(rb"()\bsk-[A-Za-z0-9_-]{8,}"),
    re.compile(rb"()\b(?:ghp|gho|ghu|github_pat|AKIA|AIza|xox[abp])[A-Za-z0-9_-]{10,}"),
    re.compile(rb"()\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
)


@dataclass(slots=True)
class Redactor:
    """Masks secrets: the values it was told, and what looks like a key."""

    values: set[bytes] = field(default_factory=set)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on. Short ones are passed over: they would mask ordinary words."""
        self.values |= {secret.encode() for secret in secrets if len(secret) >= 8}

    def clean(self, line: bytes) -> bytes:
        """The line without what is secret."""
        for value in self.values:
            line = line.replace(value, MASK)
        for pattern in _PATTERNS:
            line = pattern.sub(rb"\1" + MASK, line)
        return line


@dataclass(slots=True)
class UnitLog:
    """One unit's log file and its last lines. A full disk loses lines, never the unit."""

    path: Path
    redactor: Redactor = field(default_factory=Redactor)
    largest: int = LARGEST_FILE
    lost: int = 0
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    _descriptor: int = -1
    _size: int = 0

    def write(self, line: bytes) -> None:
        """One line, with or without its newline."""
        clean = self.redactor.clean(line.rstrip(b"\r\n")[:LONGEST_LINE])
        self._tail.append(clean.decode("utf-8", "replace"))
        try:
            self._append(clean + b"\n")
        except OSError:
            self.lost += 1

    def tail(self, lines: int = 15) -> list[str]:
        """The last lines, oldest first."""
        return list(self._tail)[-lines:]

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, text: bytes) -> None:
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, FILE_MODE)
            os.fchmod(self._descriptor, FILE_MODE)
            self._size = os.fstat(self._descriptor).st_size
        os.write(self._descriptor, text)
        self._size += len(text)
        if self._size > self.largest:
            self._rotate()

    def _rotate(self) -> None:
        self.close()
        for number in range(KEPT - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))


@dataclass(slots=True)
class LineSplitter:
    """Cuts a byte stream into lines; a line without an end is cut at 64 KiB."""

    _rest: bytes = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def finish(self) -> list[bytes]:
        """What was left without a newline."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
