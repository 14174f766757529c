"""The end of a file that grows."""

from itertools import islice
from pathlib import Path

from llm_router.journal.tail import follow, last_lines


def test_last_lines(tmp_path: Path) -> None:
    """As many as asked for; none of a file that is not there."""
    path = tmp_path / "x.log"
    assert last_lines(path, 3) == []
    path.write_bytes(b"one\r\ntwo\nthr\xffee\nfour")
    assert last_lines(path, 3) == ["two", "thr\ufffdee", "four"]
    assert last_lines(path, 0) == []


def test_follow_sees_what_comes_over_a_rotation(tmp_path: Path) -> None:
    """Old lines are passed over; a file that comes later and one that replaces another are read from their start."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    first.write_text("old\n")
    lines = follow([first, second], poll=0.001)
    second.write_text("b1\n")
    assert next(lines) == (second, "b1")
    with first.open("a") as file:
        file.write("half way\na1\n")
    assert list(islice(lines, 2)) == [(first, "half way"), (first, "a1")]
    first.rename(tmp_path / "first.log.1")
    with (tmp_path / "first.log.1").open("a") as late:
        late.write("a2\n")
    first.write_text("a3\nunfinished")
    assert list(islice(lines, 2)) == [(first, "a2"), (first, "a3")]
    with first.open("a") as file:
        file.write(" no more\n")
    assert next(lines) == (first, "unfinished no more")
