"""Unit logs: private, masked, rotated."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.supervisor.logs import LineSplitter, Redactor, UnitLog


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        ("x-api-key: abcdefghijkl", "x-api-key: ***"),
        ('{"api_key": "abcdefghijkl"}', '{"api_key": "***"}'),
        ("key sk-proj-abcdefghijkl rest", "key *** rest"),
        ("token ghp_abcdefghijklmnop", "token ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.c2ln", "jwt ***"),
        ("a canary-value b", "a *** b"),
        ("a short b", "a short b"),
        ("asking task-force about risk-free", "asking task-force about risk-free"),
    ],
)
def test_what_is_masked(line: str, clean: str) -> None:
    """Values that were told, and what looks like a key; nothing else."""
    redactor = Redactor()
    redactor.learn(["canary-value", "short", ""])
    assert redactor.clean(line.encode()).decode() == clean


def test_a_log_is_private_and_has_a_tail(tmp_path: Path) -> None:
    """0600 from the first line, and the last lines at hand."""
    log = UnitLog(tmp_path / "x.log")
    for number in range(50):
        log.write(f"line {number}\r\n".encode())
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.tail(2) == ["line 48", "line 49"]
    assert len(log.path.read_text().splitlines()) == 50
    log.close()


def test_rotation_keeps_three(tmp_path: Path) -> None:
    """The newest lines are in the newest file; the oldest file goes."""
    log = UnitLog(tmp_path / "x.log", largest=10)
    for number in range(6):
        log.write(f"line number {number}".encode())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log.1", "x.log.2", "x.log.3"]
    assert (tmp_path / "x.log.1").read_text() == "line number 5\n"
    assert (tmp_path / "x.log.3").read_text() == "line number 3\n"
    assert log.lost == 0


def test_a_log_that_cannot_be_written_loses_lines_only(tmp_path: Path) -> None:
    """The unit goes on, and the loss is counted."""
    log = UnitLog(tmp_path / "missing" / "x.log")
    log.write(b"hello")
    assert (log.lost, log.tail()) == (1, ["hello"])


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_lines_do_not_depend_on_chunks(chunks: list[bytes]) -> None:
    """However a stream is cut, its lines are the same."""
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.finish()
    whole = b"".join(chunks).split(b"\n")
    assert lines == (whole if whole[-1] else whole[:-1])


def test_a_line_without_end_is_cut() -> None:
    """Memory is bounded."""
    splitter = LineSplitter()
    assert [len(line) for line in splitter.feed(b"x" * 100_000)] == [100_000]
    assert splitter.finish() == []
