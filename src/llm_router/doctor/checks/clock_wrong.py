"""Whether the clock is right, as far as that can be told without a network."""

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from llm_router.doctor.context import Context, read_json
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.home import Home

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
TOLERATED = 120.0  # seconds
LAST_BYTES = 64 * 1024


def examine(context: Context) -> Finding | None:
    """Against a sane range, the disk's own time, what was already logged, and how long the supervisor has run."""
    now = context.machine.wall()
    found = [
        line
        for line in (_out_of_range(now), _file_system(now), _logged(context.home, now), _jumped(context.home, now))
        if line
    ]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The clock is wrong",
        found[0],
        evidence=shown([f"now: {_shown(now)}", *found]),
        fix="timedatectl status || date",
        unharmed="Waits and limits use a clock that does not jump; days in `router usage` and key rotation do not",
    )


def _out_of_range(now: float) -> str:
    return "" if EARLIEST <= now <= LATEST else f"{_shown(now)} cannot be the time"


def _file_system(now: float) -> str:
    """A disk of another machine may have a time of its own, which `up` and the logs then mix with ours."""
    try:
        with tempfile.NamedTemporaryFile() as probe:
            ahead = os.fstat(probe.fileno()).st_mtime - now
    except OSError:
        return ""
    return f"the file system's time differs by {ahead:+.0f} s" if abs(ahead) > TOLERATED else ""


def _logged(home: Home, now: float) -> str:
    """An event from the future: the clock was set back since."""
    try:
        with home.events.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            last = json.loads(file.read().splitlines()[-1])
        ahead = datetime.fromisoformat(last["timestamp"]).timestamp() - now
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return f"the last event is {ahead:.0f} s in the future: the clock was set back" if ahead > TOLERATED else ""


def _jumped(home: Home, now: float) -> str:
    """The supervisor noted when it started; the kernel knows how long ago that was."""
    held = read_json(home.supervisor_identity)
    try:
        started = datetime.fromisoformat(str(held["started_at"])).timestamp()
        ticks = int(str(held["started"]).partition("@")[0])
        if Path(f"/proc/{int(held['pid'])}/stat").read_text().rpartition(")")[2].split()[19] != str(ticks):
            return ""
        ran = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, LookupError, AttributeError):
        return ""
    jumped = now - started - ran
    return f"the clock was moved by {jumped:+.0f} s since the supervisor started" if abs(jumped) > TOLERATED else ""


def _shown(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{moment:.0f} s since 1970"


CHECK = Check("clock.wrong", "the clock, without asking the network", examine)
