"""Installed files against what their packages recorded about them."""

import base64
import csv
import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a RECORD: the file's path below site-packages, its sha256 in base64, its size."""

    path: str
    digest: str
    size: int


def changed_files(packages: Path, first: str, seconds: float) -> list[str]:
    """Files that are gone or have another size, and then those that differ. All of the distribution `first` is read.

    The rest is read as far as it can be within so many seconds in all: another part each time, all of it in the end.
    """
    until = time.monotonic() + seconds
    entries: list[Recorded] = []
    rest: list[Recorded] = []
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        mine = record.parent.name.startswith(f"{first}-")
        (entries if mine else rest).extend(_entries(record))
    found = [entry.path for entry in (*entries, *rest) if _size(packages, entry) != entry.size]
    if found:
        return sorted(found)
    found = [entry.path for entry in entries if _digest(packages, entry) != entry.digest]
    random.shuffle(rest)
    for entry in rest:
        if time.monotonic() > until:
            break
        if _digest(packages, entry) != entry.digest:
            found.append(entry.path)
    return sorted(found)


def _entries(record: Path) -> Iterator[Recorded]:
    """What the wheel recorded; not the scripts and markers that the installer wrote outside, or without a digest."""
    try:
        with record.open(encoding="utf-8", newline="") as file:
            for path, digest, size in csv.reader(file):
                if digest.startswith("sha256=") and size and not path.startswith(".."):
                    yield Recorded(path, digest.removeprefix("sha256="), int(size))
    except (OSError, ValueError):
        yield Recorded(str(record.relative_to(record.parents[1])), "", -2)


def _size(packages: Path, entry: Recorded) -> int:
    try:
        return os.stat(f"{packages}/{entry.path}").st_size  # noqa: PTH116 - some ten thousand files
    except OSError:
        return -1


def _digest(packages: Path, entry: Recorded) -> str:
    try:
        descriptor = os.open(f"{packages}/{entry.path}", os.O_RDONLY)
        try:
            content = os.read(descriptor, entry.size + 1)  # a regular file of a known size is read in one piece
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
