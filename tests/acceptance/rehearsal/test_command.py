"""`router doctor` as people run it, with the real LiteLLM environment."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.translator import give

from llm_router.testing.command import RouterCommand
from llm_router.translator import launch

ROOT = Path(__file__).parents[3]
LIMIT = 2.0  # seconds for a healthy home


def replaced(path: Path, content: bytes) -> None:
    """Another file of the same name: the old one is linked from the suite's own environment."""
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterCommand]:
    """A home after `bootstrap`."""
    command = RouterCommand(tmp_path, {"PYTHONPATH": ""})
    give(command.home)
    assert command("bootstrap").code == 0
    yield command
    command.stop()


def test_a_healthy_home(router: RouterCommand):
    """Quiet, 0, and quick: not started, and while it runs."""
    for _ in range(2):
        router("doctor")  # the files of LiteLLM are read from the disk once
        done = router("doctor", "--json")
        assert (done.code, done.json["findings"], done.json["quiet"]) == (0, [], []), done.out
        assert done.json["schema"] == 1
        assert done.json["healthy"] is True
        plain = router("doctor")
        assert (plain.code, plain.out) == (0, "")
        assert plain.err.startswith("Nothing to mend (")
        assert router("-q", "doctor").err == ""
        assert router("up", "--no-wait-translator").code == 0  # LiteLLM may be starting: that is no finding


def test_damaged_litellm(router: RouterCommand):
    """A changed byte of LiteLLM, a file of another package that is gone, code that runs at every start."""
    packages = launch.site_packages(router.home.translator_environment)
    main = packages / "litellm" / "main.py"
    replaced(main, main.read_bytes()[:-1] + b"#")
    found = router("doctor", "litellm", "--json")
    assert (found.code, found.json["findings"][0]["code"]) == (1, "litellm.files")
    assert found.json["findings"][0]["evidence"] == [str(main)]

    (packages / "httpx" / "_client.py").unlink()
    assert len(router("doctor", "litellm.files", "--json").json["findings"][0]["evidence"]) == 1  # sizes come first
    (packages / "litellm_init.pth").write_text("import os\n")
    assert router("doctor", "--json").json["findings"][0]["code"] == "litellm.startup_code"


def test_mending(router: RouterCommand):
    """What was wrong, what was done, and nothing more to mend; the same again finds nothing to do."""
    router.home.logs.chmod(0o755)
    router.home.local_key.chmod(0o644)
    before = router("doctor")
    assert before.code == 1
    assert before.out.startswith("error: `.router/` is not private [home.modes]\n")
    assert before.out.endswith("\n`router doctor --fix` mends home.modes\n")

    mended = router("doctor", "--fix")
    assert (mended.code, mended.out) == (0, "")
    assert mended.err.startswith("home.modes: set the mode of `logs`, `local.key`\nNothing to mend (")
    again = router("doctor", "--fix", "--json")
    assert (again.code, again.json["mended"]) == (0, [])


def test_names(router: RouterCommand):
    """A part, a check, and one that does not exist; the list runs nothing."""
    assert router("doctor", "home", "disk.full").err.startswith("Nothing to mend (8 checks")
    wrong = router("doctor", "home.mode")
    assert wrong.code == 2
    assert "There is no check `home.mode`" in wrong.err
    listed = router("doctor", "--list")
    assert (listed.code, "home.modes" in listed.out) == (0, True)
    assert len(router("doctor", "--list", "--json").json["checks"]) == len(listed.out.splitlines())


def test_without_a_home(tmp_path: Path):
    """Nothing is there, and nothing is made."""
    router = RouterCommand(tmp_path)
    done = router("doctor")

    assert done.code == 1
    assert done.out.startswith("error: There is no `.router/` folder [home.missing]\n")
    assert not router.home.root.exists()


def test_the_script(router: RouterCommand, tmp_path: Path):
    """It passes on what it is given; without an installation it says what to run."""

    def run(script: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", str(script), *arguments],
            env={**router.environ, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(ROOT / "scripts" / "doctor.sh", "home")
    assert (done.returncode, done.stdout) == (0, "")

    copy = tmp_path / "copy" / "scripts" / "doctor.sh"
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "doctor.sh", copy)
    bare = run(copy)
    assert bare.returncode == 1
    assert bare.stderr == "error: llm-router is not installed here\nhint: ./scripts/quickstart.sh\n"


def test_seconds(router: RouterCommand):
    """The examination itself, the fastest of three: other tests share this machine."""
    taken = [router("doctor", "--json").json["seconds"] for _ in range(3)]

    assert min(taken) < LIMIT
