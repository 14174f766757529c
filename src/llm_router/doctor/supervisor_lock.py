"""Whether somebody holds a lock file, asked without keeping it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_router.home import Home


def held_by_another(home: Home) -> bool:
    """Whether a supervisor lives, as only the kernel can say for sure."""
    with taken(home.supervisor_lock) as mine:
        return not mine


@contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Hold an existing lock file; yields False when another process holds it. One that is not there holds nobody."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
