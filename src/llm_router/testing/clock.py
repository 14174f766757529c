"""Clocks that a test moves while a process runs: a gateway that is launched with `LLM_ROUTER_TEST_CLOCK` reads them.

The variable names a file with one or two numbers of seconds: how far the wall clock, and how far the steady clock, are
ahead of the real ones. A file that is missing or unreadable moves nothing. The supervisor passes no such variable on,
so only a gateway that a test launches itself can have its clocks moved.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from llm_router.home import write_private
from llm_router.state.memory_limits import Clocks


@dataclass(frozen=True, slots=True)
class MovedClock:
    """The two ends of one file: `clocks` for the process, the rest for the test."""

    path: Path

    def clocks(self) -> Clocks:
        """Clocks that look at the file at each reading."""
        return Clocks(steady=lambda: time.monotonic() + self._ahead()[1], wall=lambda: time.time() + self._ahead()[0])

    def pass_time(self, seconds: float) -> None:
        """Let this much time pass, on both clocks."""
        wall, steady = self._ahead()
        self._write(wall + seconds, steady + seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back; no time passes."""
        wall, steady = self._ahead()
        self._write(wall + seconds, steady)

    def _write(self, wall: float, steady: float) -> None:
        write_private(self.path, f"{wall} {steady}\n".encode())

    def _ahead(self) -> tuple[float, float]:
        try:
            wall, steady = map(float, self.path.read_text().split())
        except (OSError, ValueError):
            return 0.0, 0.0
        return wall, steady
