"""The last lines of a unit's log, and what they most likely mean."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LAST_BYTES = 16 * 1024
# The first that fits, from the last line upwards.
CAUSES = (
    (re.compile(r"ModuleNotFoundError: No module named '?([\w.]+)"), "the package `{0}` is not installed"),
    (re.compile(r"(?i)address already in use"), "its port is taken by another process"),
    (re.compile(r"(?i)no space left on device"), "the disk is full"),
    (re.compile(r"(?i)\bMemoryError\b|out of memory|cannot allocate memory"), "there is not enough memory"),
    (re.compile(r"(?i)too many open files"), "too few files may be open at once"),
    (re.compile(r"(?i)permission denied:? ?'?([^'\s]*)"), "it may not read or write `{0}`"),
    (re.compile(r"(?i)no such file or directory:? ?'?([^'\s]*)"), "`{0}` is not there"),
    (re.compile(r"(?i)(?:command not found|not found: )(\S*)"), "its program cannot be found"),
    (re.compile(r"^(\w*(?:Error|Exception)): (.{1,160})"), "it ended with {0}: {1}"),
)


def last_lines(unit: Mapping[str, Any], count: int) -> list[str]:
    """The end of a unit's log, which the supervisor has redacted."""
    try:
        with Path(str(unit["log"])).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


def likely_cause(lines: Sequence[str]) -> str:
    """One phrase, or nothing when the lines say nothing that is known."""
    for line in reversed(lines):
        for pattern, phrase in CAUSES:
            if found := pattern.search(line):
                return phrase.format(*found.groups())
    return ""
