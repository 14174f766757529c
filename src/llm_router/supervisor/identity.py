"""Which process is meant: a pid together with the moment it started, so that a pid that was given away is never hit."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_LINUX = sys.platform == "linux"
_STATE, _GROUP, _SESSION, _STARTED = 0, 2, 3, 19  # fields of /proc/<pid>/stat after the command's closing bracket


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, on this boot of this machine."""

    pid: int
    started: str  # compared, never computed with

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return start_mark(self.pid) == self.started

    def as_json(self) -> dict[str, object]:
        """The fields as they are stored."""
        return {"pid": self.pid, "started": self.started}


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process, or None when there is none of that pid."""
    mark = start_mark(pid)
    return ProcessIdentity(pid, mark) if mark is not None else None


def start_mark(pid: int) -> str | None:
    """When the process started, as a text that no other process with this pid has; None when it is gone."""
    if _LINUX:
        fields = _stat(pid)
        if fields is None or fields[_STATE] in ("Z", "X"):
            return None
        return f"{fields[_STARTED]}@{_boot()}"
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.3f}"
    except psutil.Error:
        return None


def group_members(leader: int) -> list[ProcessIdentity]:
    """The processes in the process group that `leader` leads or led, without zombies."""
    if _LINUX:
        return _linux_group(leader)
    import psutil

    found = []
    for pid in psutil.pids():
        try:
            held = identify(pid) if os.getpgid(pid) == leader else None
        except OSError:
            continue
        found += [held] if held is not None else []
    return found


def memory_bytes(pid: int) -> int | None:
    """Resident memory, or None when the process is gone."""
    if _LINUX:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _linux_group(leader: int) -> list[ProcessIdentity]:
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted, from some hundred entries
        fields = _stat(int(entry)) if entry.isdigit() else None
        if fields is not None and fields[_GROUP] == str(leader) and fields[_STATE] not in ("Z", "X"):
            found.append(ProcessIdentity(int(entry), f"{fields[_STARTED]}@{_boot()}"))
    return found


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    global _BOOT
    if not _BOOT:
        _BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:13]
    return _BOOT


_BOOT = ""
