"""The scripts of the README, in a copy of the checkout, as a newcomer runs them."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.polling import until
from support.product import free_ports, package_environment

CHECKOUT = Path(__file__).parents[2]
COLD, WARM = 120, 20  # seconds that the quickstart may take


@dataclass(frozen=True, slots=True)
class Clone:
    """A copy of the checkout as git would give it, and a person with an empty HOME."""

    folder: Path
    environ: dict[str, str]

    def run(self, script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts to its end."""
        return subprocess.run(
            [self.folder / "scripts" / script, *arguments],
            cwd=self.folder.parent,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The copy; what runs in it is taken down at the end."""
    place = tmp_path_factory.mktemp("newcomer")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (CHECKOUT / name).is_file():
            (place / "llm-router" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, place / "llm-router" / name)
    (place / "person").mkdir()
    port, translator_port = free_ports(2)
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "PYENV_"))}
    held = Clone(
        place / "llm-router",
        {
            **kept,
            **package_environment(),
            "PATH": os.environ["PATH"],
            "HOME": str(place / "person"),
            "LANG": "C.UTF-8",
            "ROUTER_GATEWAY_PORT": str(port),
            "ROUTER_LITELLM_PORT": str(translator_port),
        },
    )
    yield held
    router = held.folder / ".venv" / "bin" / "router"
    if router.exists():
        subprocess.run([router, "down"], cwd=held.folder, env=held.environ, capture_output=True, check=False)
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(300)
def test_interrupted_then_from_clone_to_answers(clone: Clone):
    """Stopped by Ctrl-C it leaves nothing in the way; then it answers through both lanes, and again a second time."""
    with subprocess.Popen(
        [clone.folder / "scripts" / "quickstart.sh"],
        env=clone.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        until((clone.folder / ".venv" / "bin" / "python").exists, within=60)
        os.killpg(first.pid, signal.SIGINT)
    assert first.returncode == 130

    taken = []
    for _ in range(2):
        began = time.monotonic()
        done = clone.run("quickstart.sh")
        taken.append(time.monotonic() - began)
        assert done.returncode == 0, done.stdout + done.stderr
        talk = done.stdout + done.stderr
        assert talk.count("you said: hello") == 2
        assert ("direct lane" in talk, "translated lane" in talk) == (True, True)
    assert taken[0] < COLD
    assert taken[1] < WARM
    assert clone.run("doctor.sh").returncode == 0


@pytest.mark.timeout(300)
def test_smoke(clone: Clone):
    """Every step of a first day passes in a home of its own, which is gone afterwards."""
    assert clone.run("prepare.sh", "--inexact", "--no-default-groups").returncode == 0

    done = clone.run("smoke_local.sh")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["PASS"] * 11


def test_no_python_that_is_new_enough(clone: Clone, tmp_path: Path):
    """Without Python 3.12 it says what to do, and makes nothing."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "cut"):
        (tools / name).symlink_to(shutil.which(name) or name)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    bare = tmp_path / "bare" / "scripts"
    bare.mkdir(parents=True)
    shutil.copy(clone.folder / "scripts" / "prepare.sh", bare)

    done = subprocess.run(
        [bare / "prepare.sh"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: llm-router needs Python 3.12 or newer, and none was found")
    assert not (bare.parent / ".venv").exists()
