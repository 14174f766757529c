"""Installed files against their records."""

import base64
import hashlib
from pathlib import Path

import pytest

from llm_router.doctor.records import changed_files


def install(packages: Path, name: str, *files: str) -> None:
    """A distribution whose files hold their own names."""
    lines = []
    for file in files:
        (packages / file).parent.mkdir(parents=True, exist_ok=True)
        (packages / file).write_text(file)
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.encode()).digest()).rstrip(b"=").decode()
        lines.append(f'"{file}",sha256={digest},{len(file)}')
    about = packages / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "RECORD").write_text("\n".join([*lines, "../bin/x,sha256=0,1", f"{name}-1.0.dist-info/RECORD,,"]))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Two distributions."""
    install(tmp_path, "first", "first/a.py", "first/b.py")
    install(tmp_path, "other", "other/a,b.py")
    return tmp_path


def test_as_installed(packages):
    """Nothing to say."""
    assert changed_files(packages, "first", 5) == []


@pytest.mark.parametrize("seconds", [0, 5])
def test_gone_and_resized(packages, seconds):
    """Found whatever the time."""
    (packages / "first" / "a.py").unlink()
    (packages / "other" / "a,b.py").write_text("longer than it was")

    assert changed_files(packages, "first", seconds) == ["first/a.py", "other/a,b.py"]


def test_same_size(packages):
    """The first distribution is always read whole, the rest as far as the time goes."""
    (packages / "first" / "a.py").write_text("first/A.py")
    (packages / "other" / "a,b.py").write_text("other/A,B.py")

    assert changed_files(packages, "first", 0) == ["first/a.py"]
    assert changed_files(packages, "first", 5) == ["first/a.py", "other/a,b.py"]


def test_a_record_that_cannot_be_read(packages):
    """It differs itself."""
    (packages / "other-1.0.dist-info" / "RECORD").write_bytes(b"\xff\xfe")

    assert changed_files(packages, "first", 5) == ["other-1.0.dist-info/RECORD"]
