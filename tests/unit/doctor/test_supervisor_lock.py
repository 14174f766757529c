"""Asking who holds a lock."""

import fcntl
import os

from llm_router.doctor.supervisor_lock import held_by_another, taken
from llm_router.home import Home


def test_free_and_held(tmp_path):
    """A file that is not there holds nobody; one that is held is not taken; asking keeps nothing."""
    home = Home(tmp_path)
    home.create()
    assert not held_by_another(home)

    descriptor = os.open(home.supervisor_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert held_by_another(home)
        with taken(home.supervisor_lock) as mine:
            assert not mine
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        assert not held_by_another(home)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
