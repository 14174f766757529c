"""The record of what runs."""

from pathlib import Path

import pytest

from llm_router.home import Home
from llm_router.supervisor.identity import ProcessIdentity
from llm_router.supervisor.leftovers import Leftover, end_leftovers, path_of, record


async def test_the_dead_are_only_forgotten(tmp_path: Path) -> None:
    """What is recorded and gone needs no end; the record is used up."""
    home = Home(tmp_path)
    home.create()
    dead = ProcessIdentity(2**22 + 1, "long ago")
    record(home, [("gateway", dead)])
    assert path_of(home).stat().st_mode & 0o777 == 0o600
    assert await end_leftovers(home) == [Leftover("gateway", dead, "already-exited")]
    assert not path_of(home).exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"units": [{"pid": 1}]}', '{"units": [{"unit": "x", "pid": "y"}]}']
)
async def test_a_damaged_record_ends_nobody(tmp_path: Path, content: str) -> None:
    """Who cannot be named for sure is left alone."""
    home = Home(tmp_path)
    home.create()
    path_of(home).write_text(content)
    assert await end_leftovers(home) == []
