"""LiteLLM's environment, installed for real from uv's cache."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.polling import until
from support.translator import prepared

from llm_router.home import Home
from llm_router.translator import launch
from llm_router.translator.environment import Installer, NotCached, problem


@pytest.fixture(scope="session", autouse=True)
def _cached_packages() -> None:
    """Every package is in uv's cache once the suite's own environment is made."""
    prepared()


def install(home: Home) -> tuple[bool, list[str]]:
    """Install without a network; whether anything was made, and the phases that were told, without their times."""
    said: list[str] = []
    made = Installer(home, os.environ, said.append, offline=True, byte_compiled=False).install()
    return made, said


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, list[str]]]:
    """One installed home for all that damage and mend it, and what its installation said."""
    home = Home(tmp_path_factory.mktemp("installed") / ".router")
    home.create()
    made, said = install(home)
    assert made
    yield home, said
    shutil.rmtree(home.root)


@pytest.fixture
def home(installed: tuple[Home, list[str]]) -> Home:
    """The installed home; each test leaves it whole."""
    return installed[0]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Home]:
    """A home in which nothing is installed yet."""
    home = Home(tmp_path / ".router")
    home.create()
    yield home
    shutil.rmtree(home.root)


def replace(path: Path, text: str) -> None:
    """Exchange a file for another: its hard links elsewhere keep their content."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")


def left_behind(home: Home) -> list[str]:
    return sorted(path.name for path in home.runtime.glob("litellm.*-*"))


def test_installed_from_the_lock(installed: tuple[Home, list[str]]):
    """A new home gets an environment that is verified, and a second run changes nothing."""
    home, said = installed

    assert install(home) == (False, [])

    assert f"LiteLLM {launch.locked_version()}: installing" in said[0]
    assert "  verifying" in said
    assert f"LiteLLM {launch.locked_version()}: ready after" in said[-1]
    assert (problem(home), left_behind(home)) == (None, [])
    assert (home.translator_environment / launch.MARKER).stat().st_mode & 0o777 == 0o600


def test_offline_with_an_empty_cache(empty: Home, tmp_path: Path):
    """Without a network and without a cached package it says so, and leaves nothing half-made."""
    environ = {**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache")}

    with pytest.raises(NotCached) as caught:
        Installer(empty, environ, lambda line: None, offline=True).install()

    assert caught.value.message == "LiteLLM cannot be installed offline: uv has not all of its packages in its cache"
    assert caught.value.causes()[0].startswith("uv said:")
    assert (left_behind(empty), empty.translator_environment.exists()) == ([], False)


def test_tampered_with(home: Home):
    """A changed file of LiteLLM is found, and the next run makes the environment anew."""
    replace(launch.site_packages(home.translator_environment) / "litellm" / "main.py", "import os\n")

    assert problem(home) == "LiteLLM's environment is damaged: `litellm/main.py` differ from the published release"
    assert install(home)[0]
    assert (problem(home), left_behind(home)) == (None, [])


def test_another_release_replaces_the_old_environment(home: Home):
    """After an upgrade the environment is made anew beside the old one and exchanged as a whole."""
    replace(home.translator_environment / launch.MARKER, "0" * 64 + "\n")
    (home.translator_environment / "from-before").touch()

    assert install(home)[0]
    assert (
        problem(home),
        left_behind(home),
        (home.translator_environment / "from-before").exists(),
    ) == (None, [], False)


def test_interrupted_before_the_exchange(home: Home):
    """A finished environment that was never put in place is taken into use without installing anything."""
    home.translator_environment.rename(home.runtime / "litellm.new-4711")
    (home.runtime / "litellm.old-4711").mkdir()

    assert install(home) == (False, ["Completing an installation that was interrupted"])
    assert (problem(home), left_behind(home)) == (None, [])


def test_interrupted_in_the_middle(empty: Home):
    """A half-made environment is removed, and a new one made."""
    half = empty.runtime / "litellm.new-4711" / "bin"
    half.mkdir(parents=True)
    (half / "python").symlink_to(sys.executable)

    assert install(empty)[0]
    assert (problem(empty), left_behind(empty)) == (None, [])


INSTALL = """
import os, sys
from pathlib import Path
from llm_router.home import Home
from llm_router.translator.environment import Installer

print(Installer(Home(Path(sys.argv[1])), os.environ, lambda line: None, offline=True, byte_compiled=False).install())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle(empty: Home, how: signal.Signals):
    """However an installation ends in the middle, the next one waits for its uv, completes it and sweeps up."""
    with subprocess.Popen([sys.executable, "-c", INSTALL, empty.root], stderr=subprocess.DEVNULL) as other:
        until(lambda: list(empty.runtime.glob("litellm.new-*/lib")), within=30, every=0.002)
        other.send_signal(how)
    assert -how == other.returncode
    assert not empty.translator_environment.exists()

    assert install(empty)[0]
    assert (problem(empty), left_behind(empty)) == (None, [])


def test_two_at_once(empty: Home):
    """Of two installations at the same time one works; the other waits and finds nothing to do."""
    command = [sys.executable, "-c", INSTALL, empty.root]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = sorted(each.communicate(timeout=100)[0].strip() for each in both)

    assert (said, problem(empty), left_behind(empty)) == (["False", "True"], None, [])
