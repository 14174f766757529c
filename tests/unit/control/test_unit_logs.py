"""Logs by unit."""

from pathlib import Path

import pytest

from llm_router.control.unit_logs import follow_logs, log_files, recent
from llm_router.errors import UnknownName
from llm_router.home import Home


def test_logs_by_name(tmp_path: Path) -> None:
    """Those that are there and the supervisor's; lines carry their unit."""
    home = Home(tmp_path)
    home.create()
    home.log("gateway").write_text("one\ntwo\n")
    files = log_files(home, [])
    assert files == {"gateway": home.log("gateway"), "supervisor": home.log("supervisor")}
    assert list(recent(files, 1)) == [("gateway", "two")]
    lines = follow_logs(files)
    home.log("supervisor").write_text("late\n")
    assert next(lines) == ("supervisor", "late")
    assert list(log_files(home, ["supervisor"])) == ["supervisor"]
    with pytest.raises(UnknownName):
        log_files(home, ["gatway"])
