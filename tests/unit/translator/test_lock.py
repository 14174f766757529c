"""The locked requirements that ship in the package."""

import os
import re
import subprocess
from pathlib import Path

from uv import find_uv_bin

from llm_router.translator.integrity import KNOWN_BAD, locked
from llm_router.translator.launch import REQUIREMENTS, lock_digest, locked_version

CHECKOUT = Path(__file__).parents[3]


def test_shipped_requirements_equal_uv_lock(tmp_path: Path):
    """What `router bootstrap` installs is what uv.lock says; `scripts/export_runtime_lock.sh` brings them together."""
    exported = tmp_path / "requirements.lock"
    subprocess.run(
        [
            *(find_uv_bin(), "export", "--quiet", "--locked", "--offline", "--only-group", "runtime"),
            *("--no-emit-project", "--no-annotate", "--no-header", "--output-file", exported),
        ],
        cwd=CHECKOUT,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS": "never"},
    )

    assert exported.read_text() == REQUIREMENTS.read_text()


def test_every_requirement_is_hashed():
    """No distribution can be exchanged for another of the same name and version."""
    entries = re.split(r"\n(?=\S)", REQUIREMENTS.read_text().strip())

    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert len(entries) == len(locked())


def test_locked_version_is_a_good_one():
    """The pinned LiteLLM is none of the releases that were published with a thief inside."""
    assert locked_version() not in KNOWN_BAD["litellm"]
    assert locked_version() == locked()["litellm"].version
    assert re.fullmatch(r"[0-9a-f]{64}", lock_digest())
