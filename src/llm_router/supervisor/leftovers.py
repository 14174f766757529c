"""What a killed supervisor left behind: recorded by pid and start time, ended before anything new is started."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_router.home import Home, write_private
from llm_router.supervisor.identity import ProcessIdentity, group_members
from llm_router.supervisor.processes import end_group

GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A unit's process as it was recorded, and what became of it: a result of the event `service_stop`."""

    unit: str
    identity: ProcessIdentity
    result: str


def path_of(home: Home) -> Path:
    """Where the processes are recorded."""
    return home.runtime / "units.json"


def record(home: Home, running: Iterable[tuple[str, ProcessIdentity]]) -> None:
    """Write down what runs. Raises HomeError."""
    rows = [{"unit": unit, **identity.as_json()} for unit, identity in running]
    write_private(path_of(home), (json.dumps({"schema": 1, "units": rows}) + "\n").encode())


async def end_leftovers(home: Home) -> list[Leftover]:
    """End what a dead supervisor's record names. Only for the holder of the supervisor's lock."""
    found = [Leftover(unit, identity, await _end(identity)) for unit, identity in read(path_of(home))]
    path_of(home).unlink(missing_ok=True)
    return found


async def _end(identity: ProcessIdentity) -> str:
    if identity.alive():
        return "success" if await end_group(identity.pid, GRACE) else "already-exited"
    orphans = group_members(identity.pid)
    if not orphans:
        return "already-exited"
    if any(member.pid == identity.pid for member in orphans):
        return "stale-pid"  # the number belongs to somebody else now
    # a pid is not given away while its group lives, so these are the dead leader's own children
    return "success" if await end_group(identity.pid, GRACE) else "already-exited"


def read(path: Path) -> list[tuple[str, ProcessIdentity]]:
    """What is recorded; nothing when it cannot be read."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())["units"]
        return [(str(row["unit"]), ProcessIdentity(int(row["pid"]), str(row["started"]))) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []
