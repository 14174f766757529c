"""Whether an environment holds what the lock says."""

import base64
import hashlib
from pathlib import Path

import pytest

from llm_router.translator import launch
from llm_router.translator.integrity import DamagedEnvironment, fingerprint, locked, touched, verify

MAIN = b"answer = 42\n"
VERSION = launch.locked_version()


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment as the lock says, in which LiteLLM is one file."""
    packages = launch.site_packages(tmp_path)
    for entry in locked().values():
        (packages / f"{entry.name.replace('-', '_')}-{entry.version}.dist-info").mkdir(parents=True)
    (packages / "litellm").mkdir()
    (packages / "litellm" / "main.py").write_bytes(MAIN)
    digest = base64.urlsafe_b64encode(hashlib.sha256(MAIN).digest()).rstrip(b"=").decode()
    record = f"litellm/main.py,sha256={digest},{len(MAIN)}\n../../../bin/litellm,sha256=x,1\nlitellm-x/RECORD,,\n"
    (packages / f"litellm-{VERSION}.dist-info" / "RECORD").write_text(record, encoding="utf-8")
    (packages / "_virtualenv.pth").touch()
    (tmp_path / launch.MARKER).write_text(f"{launch.lock_digest()}\n{fingerprint(tmp_path)}\n", encoding="ascii")
    return tmp_path


def complaint(environment: Path) -> str:
    with pytest.raises(DamagedEnvironment) as caught:
        verify(environment)
    assert f"LiteLLM's environment is damaged: {caught.value.problem}" == caught.value.message
    return caught.value.problem


def test_as_locked(environment: Path):
    """An untouched environment passes both the quick look and the whole one."""
    verify(environment)

    assert not touched(environment)


def test_changed_file(environment: Path):
    """One changed byte of LiteLLM is found."""
    (launch.site_packages(environment) / "litellm" / "main.py").write_bytes(MAIN.replace(b"42", b"43"))

    assert complaint(environment) == "`litellm/main.py` differ from the published release"
    assert touched(environment)


def test_lost_file(environment: Path):
    """A file that is gone differs too."""
    (launch.site_packages(environment) / "litellm" / "main.py").unlink()

    assert complaint(environment) == "`litellm/main.py` differ from the published release"
    assert touched(environment)


def test_lost_record(environment: Path):
    """Without its record LiteLLM cannot be judged."""
    (launch.site_packages(environment) / f"litellm-{VERSION}.dist-info" / "RECORD").unlink()

    assert complaint(environment) == "LiteLLM's record cannot be read (No such file or directory)"


@pytest.mark.parametrize("name", ["litellm_init.pth", "sitecustomize.py", "usercustomize.py"])
def test_code_that_runs_at_every_start(environment: Path, name: str):
    """What Python would run before LiteLLM is named."""
    (launch.site_packages(environment) / name).touch()

    assert f"`{name}` would run code at every start" == complaint(environment)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("fastapi", None, "fastapi {version} is missing"),
        ("fastapi", "fastapi-0.0.1", "fastapi is 0.0.1, and the lock says {version}"),
        (None, "intruder-1.0", "intruder 1.0 is not in the lock"),
        ("litellm", "litellm-1.82.8", "litellm 1.82.8 is a release that steals credentials"),
    ],
)
def test_distributions_differ(environment: Path, old: str | None, new: str | None, problem: str):
    """A distribution that is lost, foreign, known to be bad, or of another version is named."""
    packages = launch.site_packages(environment)
    version = locked()[old].version if old else ""
    if old:
        (packages / f"{old}-{version}.dist-info").rename(packages / "put-aside")
    if new:
        (packages / f"{new}.dist-info").mkdir()

    assert problem.format(version=version) == complaint(environment)
