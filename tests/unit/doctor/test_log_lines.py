"""What last lines mean."""

import pytest

from llm_router.doctor.log_lines import last_lines, likely_cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("ModuleNotFoundError: No module named 'httpx'", "the package `httpx` is not installed"),
        ("OSError: [Errno 98] Address already in use", "its port is taken by another process"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("MemoryError", "there is not enough memory"),
        ("PermissionError: [Errno 13] Permission denied: '/x/y'", "it may not read or write `/x/y`"),
        ("ValueError: bad thing", "it ended with ValueError: bad thing"),
        ("all is well", ""),
    ],
)
def test_likely_cause(line, cause):
    """The last line that says something known counts."""
    assert likely_cause(["Traceback", line, "bye"]) == cause


def test_last_lines(tmp_path):
    """The end of a log, without empty lines; nothing when there is none."""
    log = tmp_path / "unit.log"
    log.write_text("".join(f"{number}\n\n" for number in range(9000)))

    assert last_lines({"log": str(log)}, 2) == ["8998", "8999"]
    assert last_lines({"log": str(tmp_path / "none")}, 2) == []
