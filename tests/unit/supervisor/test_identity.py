"""A process is its pid and its start."""

import os
import subprocess
import sys

from llm_router.supervisor.identity import ProcessIdentity, group_members, identify, memory_bytes, start_mark
from llm_router.testing.supervised import until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_this_process() -> None:
    """It is alive, it uses memory, and the same pid with another start is another process."""
    mine = identify(os.getpid())
    assert mine is not None
    assert mine.alive()
    assert not ProcessIdentity(mine.pid, "long ago").alive()
    assert (memory_bytes(mine.pid) or 0) > 1_000_000
    assert mine.as_json() == {"pid": os.getpid(), "started": start_mark(os.getpid())}


def test_a_zombie_is_dead() -> None:
    """It has a pid until its parent looks, but it runs no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        until(lambda: start_mark(child.pid) is None, "it ends")
        assert identify(child.pid) is None


def test_nobody() -> None:
    """A pid that nobody has."""
    assert (identify(2**22 + 1), memory_bytes(2**22 + 1)) == (None, None)


def test_group_members() -> None:
    """All of a session's first group, and nobody else."""
    script = f"import subprocess, time; subprocess.Popen({SLEEPER!r}); print(1, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        assert len(group_members(leader.pid)) == 2
        os.killpg(leader.pid, 9)
        leader.wait()
        until(lambda: not group_members(leader.pid), "the group is gone")
