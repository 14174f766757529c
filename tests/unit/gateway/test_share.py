"""What one worker reads of how much the others have."""

import struct
import time
from pathlib import Path

from llm_router.gateway.share import Share


def other(path: Path, connections: int, age: float = 0.0) -> None:
    """Write the line of another worker."""
    with path.open("r+b") as held:
        held.seek(16 * 7)
        held.write(struct.pack("<Id", connections, time.monotonic() - age))


def test_who_has_no_more_than_the_others_takes(tmp_path: Path) -> None:
    """Equal counts take; a worker that has not been heard of for a second counts no more."""
    share = Share(tmp_path / "doors.share")
    share.open()
    assert (tmp_path / "doors.share").stat().st_mode & 0o777 == 0o600
    assert share.is_mine(1000)
    other(tmp_path / "doors.share", 3)
    assert [share.is_mine(connections) for connections in (2, 3, 4)] == [True, True, False]
    other(tmp_path / "doors.share", 3, age=5.0)
    assert share.is_mine(4)
    share.say(4)
    share.close()
    assert share.is_mine(4)


def test_without_a_file_each_takes_what_comes(tmp_path: Path) -> None:
    """A folder that cannot be written is no reason to refuse anybody."""
    share = Share(tmp_path / "nowhere" / "doors.share")
    share.open()
    share.say(5)
    assert share.is_mine(5)
    share.close()
