"""One holder at a time, and a holder that dies lets go."""

import subprocess
import sys

import pytest

from llm_router.accounts.lock import AccountBusy, held

HOLDER = """
import sys, time
from pathlib import Path
from llm_router.accounts.lock import held
with held(Path(sys.argv[1]), "a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time(tmp_path):
    """Another process waits, and takes over when the first is killed."""
    folder = tmp_path / "sealed" / "accounts"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(AccountBusy), held(folder, "a", patience=0.05):
            pass
        with held(folder, "b", patience=0.05):
            pass
        child.kill()
        with held(folder, "a"):
            assert True
