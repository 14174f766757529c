"""The event log when a line was left unfinished."""

import json
import resource
import signal
from pathlib import Path

from llm_router.journal.events import EventLog


def whole(path: Path) -> list[str]:
    """The events of the lines that are whole."""
    return [json.loads(line)["event"] for line in path.read_text().splitlines() if line.endswith("}")]


def test_half_a_line_takes_no_other_with_it(tmp_path: Path):
    """A process was killed in the middle of a write: the next event begins a line of its own, and only once."""
    path = tmp_path / "events.log"
    path.write_text('{"event": "whole"}\n{"event": "ha')
    for log in (EventLog(path), EventLog(path, kept_open=True)):
        log.write("next", result="x")
        log.write("after", result="x")
        log.close()

    assert whole(path) == ["whole", "next", "after", "next", "after"]
    assert len(path.read_text().splitlines()) == 6


def test_a_write_that_the_disk_cut_is_counted(tmp_path: Path):
    """The disk takes half of what is written: what is not whole is lost, and later events are whole."""
    path = tmp_path / "events.log"
    log = EventLog(path, kept_open=True)
    log.write("first", result="x")
    size = path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        log.write("second", result="x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    log.write("third", result="x")
    log.close()

    assert whole(path) == ["first", "third"]
    assert log.lost == 1
