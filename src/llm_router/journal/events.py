"""The event log: JSON lines that say what happened, to whom, and how it ended.

Every line has `timestamp, event, service, profile, provider, result, detail`; further ids may follow. Several processes
append to the one file through this module: whole lines are one `write` to a file opened for appending, so they never
mix.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from llm_router.home import FILE_MODE

LARGEST_LINE = 16 * 1024
LARGEST_FILE = 16 * 1024 * 1024
LARGEST_DETAIL = 2000
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_encode = json.JSONEncoder().encode


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class EventLog:
    """The writer. Losing an event never stops what it reports; `lost` counts those that could not be written.

    With `kept_open` the file stays open between two events, for a process that writes many; `close` it at the end.
    """

    path: Path
    clock: Callable[[], datetime] = _now
    kept_open: bool = False
    lost: int = field(default=0, init=False)
    _collected: list[bytes] = field(default_factory=list, init=False)
    _descriptor: int = field(default=-1, init=False)
    _inode: int = field(default=0, init=False)
    _torn: bool = field(default=False, init=False)  # the file ends in the middle of a line

    def write(
        self,
        event: str,
        *,
        result: str,
        service: str = "",
        profile: str = "",
        provider: str = "",
        detail: str = "",
        **ids: str | int | float | bool | None,
    ) -> None:
        """Append one event. `detail` is text for people, cut at 2000 characters; it never holds content or secrets."""
        line = {
            "timestamp": self.clock().isoformat(timespec="milliseconds"),
            "event": event,
            "service": service,
            "profile": profile,
            "provider": provider,
            "result": result,
            "detail": detail[:LARGEST_DETAIL],
            **ids,
        }
        self._collected.append(_encode(line).encode()[: LARGEST_LINE - 1] + b"\n")
        self.flush()

    def collect(self, members: str) -> None:
        """Keep one event for the next `flush`: `members` are those behind its time, as ASCII JSON without braces."""
        moment = self.clock().isoformat(timespec="milliseconds")
        self._collected.append(f'{{"timestamp": "{moment}", {members}}}\n'.encode("ascii"))

    def flush(self) -> None:
        """Append what was collected, in one write."""
        lines = self._collected
        if not lines:
            return
        text = b"".join(lines) if len(lines) > 1 else lines[0]
        count = len(lines)
        lines.clear()
        try:
            self._append(text)
        except OSError:
            self.lost += count
            self.close()

    def close(self) -> None:
        """Let go of the file; the next event opens it again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _append(self, text: bytes) -> None:
        self._open()
        try:
            self._write(text)
            too_large = os.fstat(self._descriptor).st_size > LARGEST_FILE
        finally:
            if not self.kept_open:
                self.close()
        if too_large:
            self.close()
            self.path.replace(self.path.with_suffix(".log.1"))

    def _write(self, text: bytes) -> None:
        """One write. Half a line, left by a killed process or a full disk, does not take the next one with it."""
        if self._torn:
            text = b"\n" + text
        written = os.write(self._descriptor, text)
        self._torn = written < len(text)
        if self._torn:
            self.lost += text.count(b"\n", written)

    def _open(self) -> None:
        """Have the file open that stands at the path now: another process may have put it aside. Raises OSError."""
        if self._descriptor >= 0:
            try:
                if os.stat(self.path).st_ino == self._inode:  # noqa: PTH116 # on the way of every request
                    return
            except FileNotFoundError:
                pass
            self.close()
        self._descriptor = os.open(self.path, _FLAGS, FILE_MODE)
        held = os.fstat(self._descriptor)
        self._inode = held.st_ino
        self._torn = held.st_size > 0 and os.pread(self._descriptor, 1, held.st_size - 1) != b"\n"


def members_text(members: dict[str, str | int | float | bool | None]) -> str:
    """Members as `EventLog.collect` takes them."""
    return _encode(members)[1:-1]
