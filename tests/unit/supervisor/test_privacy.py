"""What a supervisor and everything it starts leave on the disk."""

import subprocess
import sys

ASK = """
import os, resource
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
os.umask(0)
from llm_router.supervisor.__main__ import keep_private
keep_private()
print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


def test_no_memory_in_a_core_file_and_no_file_for_others():
    """Whatever the shell allowed that ran `router up`."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0o77", "0"]
