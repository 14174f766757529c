"""The event log: JSON lines that say what happened, to whom, and how it ended.

Every line has `timestamp, event, service, profile, provider, result, detail`; further ids may follow. Several processes
append to the one file through this module: a line is one `write` to a file opened for appending, so lines never mix.
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


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class EventLog:
    """The writer. Losing an event never stops what it reports; `lost` counts those that could not be written."""

    path: Path
    clock: Callable[[], datetime] = _now
    lost: int = field(default=0, init=False)

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
        try:
            self._append((json.dumps(line, ensure_ascii=True) + "\n").encode())
        except OSError:
            self.lost += 1

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
        try:
            os.write(descriptor, line[:LARGEST_LINE])
            too_large = os.fstat(descriptor).st_size > LARGEST_FILE
        finally:
            os.close(descriptor)
        if too_large:
            self.path.replace(self.path.with_suffix(".log.1"))
