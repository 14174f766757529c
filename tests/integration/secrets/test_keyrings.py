"""`router secret` with real keyrings: one that is open, one that is locked, none, and one that forgets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.polling import until

from llm_router.secrets.sealing import MasterKey
from llm_router.testing.command import PROGRAM

CANARY = "canary-30c1-sealed"
HEADLESS = (
    "error: There is no keyring on this machine, so nothing can be encrypted\n"
    "  Nothing was stored\n\n"
    "hint: Unlock or install a keyring (e.g. gnome-keyring), then run the command again\n"
    "hint: Or give a master key from `openssl rand -base64 32`: as the systemd credential `llm-router-master-key`, "
    "or in LLM_ROUTER_MASTER_KEY\n"
    "hint: Or run the command again with `--store file`: the master key is then kept in a 0600 file beside what it "
    "opens\n"
)


class Person:
    """Someone with a HOME of their own and no desktop unless one is started."""

    def __init__(self, folder: Path):
        self.folder = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "LANG": "C"}

    @property
    def home(self) -> Path:
        return self.folder / ".router"

    def router(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return self.run([*PROGRAM, *arguments], stdin, **more)

    def run(self, command: list[str], stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, "ROUTER_HOME": str(self.home), **more}
        return subprocess.run(
            command, env=environ, input=stdin, capture_output=True, text=True, timeout=100, check=False
        )

    def in_desktop(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a desktop session; `$ROUTER` runs the router."""
        router = self.folder / "router"
        router.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM[2]}" "$@"\n')
        router.chmod(0o700)
        return self.run(["dbus-run-session", "--", "sh", "-ec", script], ROUTER=str(router))

    def leaks(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.fixture
def person(tmp_path):
    return Person(tmp_path)


def test_no_keyring(person):
    """Nothing is stored, and the three ways out are said."""
    done = person.router("secret", "set", "openai", stdin=CANARY)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", HEADLESS)
    assert person.leaks() == []


def test_a_keyring_that_forgets(person):
    """The null back end is no keyring."""
    backend = "keyring.backends.null.Keyring"
    done = person.router("secret", "set", "openai", stdin=CANARY, PYTHON_KEYRING_BACKEND=backend)

    assert done.returncode == 1
    assert done.stderr.startswith("error: The keyring does not keep what it is given, so nothing can be encrypted\n")


def test_a_file_by_name(person):
    """`--store file` is asked for once; afterwards the key seals and opens by itself."""
    first = person.router("secret", "set", "openai", "--store", "file", stdin=CANARY)
    second = person.router("secret", "set", "other", stdin=CANARY)

    assert (first.returncode, first.stdout) == (0, "sealed:openai\n")
    assert (second.returncode, second.stdout) == (0, "sealed:other\n")
    assert person.router("secret", "rotate-key").stdout == "rotated=2\n"
    assert len(list((person.home / "sealed").glob("master-*.key"))) == 1
    assert person.leaks() == []


def test_a_credential_of_systemd(person):
    """What systemd hands over is enough; nothing but the sealed entry is written."""
    folder = person.folder / "credentials"
    folder.mkdir()
    (folder / "llm-router-master-key").write_text(MasterKey.make().text.reveal())
    done = person.router("secret", "set", "openai", stdin=CANARY, CREDENTIALS_DIRECTORY=str(folder))

    assert (done.returncode, done.stdout) == (0, "sealed:openai\n")
    assert sorted(path.name for path in (person.home / "sealed").iterdir()) == [".lock", "openai.sealed"]


@pytest.mark.needs("keyring")
def test_a_desktop(person):
    """With an open gnome-keyring a key is sealed without a word; a rotation replaces the master key."""
    done = person.in_desktop(
        "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n"
        f"printf {CANARY} | $ROUTER secret set openai\n"
        "$ROUTER secret rotate-key\n"
        "$ROUTER secret list\n"
    )

    assert (done.returncode, done.stdout) == (0, "sealed:openai\nrotated=1\nsealed:openai\n"), done.stderr
    assert not list((person.home / "sealed").glob("master-*.key"))
    assert person.leaks() == []


@pytest.mark.needs("keyring")
def test_a_locked_desktop(person):
    """Nobody is there to type the keyring's password: refused in time, and nothing is stored."""
    done = person.in_desktop(
        "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n"
        f"printf {CANARY} | $ROUTER secret set openai\n"
        "dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets "
        "org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null\n"
        f"if printf {CANARY} | $ROUTER secret set other; then exit 9; fi\n"
        "$ROUTER secret list\n"
    )

    assert (done.returncode, done.stdout) == (0, "sealed:openai\nsealed:openai\n"), done.stderr
    assert "LLM_ROUTER_MASTER_KEY" in done.stderr
    assert person.leaks() == []


def test_a_rotation_that_is_killed(person):
    """kill -9 at many moments: every entry opens afterwards, and the next run finishes."""
    person.router("secret", "set", "key-0", "--store", "file", stdin=CANARY)
    for number in range(1, 12):
        person.router("secret", "set", f"key-{number}", stdin=CANARY)
    sealed = person.home / "sealed"
    for step in (1, 4, 8):
        before = {path: path.read_bytes() for path in sealed.glob("*.sealed")}
        child = subprocess.Popen(
            [*PROGRAM, "secret", "rotate-key"], env={**person.environ, "ROUTER_HOME": str(person.home)}
        )
        until(
            lambda before=before, step=step, child=child: (
                child.poll() is not None or sum(path.read_bytes() != held for path, held in before.items()) >= step
            ),
            within=30,
            every=0.0005,
        )
        child.kill()
        child.wait()
        assert opened(person) == [CANARY] * 12

    assert person.router("secret", "rotate-key").stdout == "rotated=12\n"
    assert opened(person) == [CANARY] * 12
    assert len(list(sealed.glob("master-*.key"))) == 1


def opened(person: Person) -> list[str]:
    """Every entry's value, read by another process than the one that was killed."""
    script = (
        "from pathlib import Path; from llm_router.home import Home; "
        "from llm_router.secrets.sealed_store import SealedStore as S; import sys; "
        "s = S(Home(Path(sys.argv[1])), {}); [print(s.get(n).reveal()) for n in s.names()]"
    )
    return person.run([sys.executable, "-c", script, str(person.home)]).stdout.split()
