"""Secrets are found where a reference points, or the error says why not and what to run."""

import os

import keyring
import keyring.backend
import keyring.errors
import pytest

from llm_router.home import Home
from llm_router.secrets.store import SecretUnavailable, resolve


class Drawer(keyring.backend.KeyringBackend):
    """A keyring in memory; the service `locked` cannot be opened."""

    priority = 1

    def get_password(self, service, username):
        if service == "locked":
            raise keyring.errors.KeyringLocked("the collection is locked")
        return {("llm-router", "openai"): "from-keyring"}.get((service, username))

    def set_password(self, service, username, password):
        raise keyring.errors.PasswordSetError


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    return made


@pytest.fixture
def drawer():
    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())
    yield
    keyring.set_keyring(before)


def write(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refused(reference, home, environ=None):
    with pytest.raises(SecretUnavailable) as caught:
        resolve(reference, home=home, environ=environ or {})
    assert caught.value.code == "secret.unavailable"
    return caught.value.message, caught.value.hints


def test_environment(home):
    """White space around the value is not part of it."""
    assert resolve("env:A_KEY", home=home, environ={"A_KEY": " abc\n"}).reveal() == "abc"


def test_environment_without_the_variable(home):
    """The hint is the line to run."""
    assert refused("env:A_KEY", home) == (
        "The secret `env:A_KEY` is not set in the environment",
        ("Run `export A_KEY=…` in the shell that starts the router, then `router up`",),
    )


@pytest.mark.parametrize("value", ["", "  \n"])
def test_empty(home, value):
    """An empty value is no secret."""
    message, _ = refused("env:A_KEY", home, {"A_KEY": value})

    assert message == "The secret `env:A_KEY` is empty"


@pytest.mark.parametrize("value", ["canary\r\nx-evil: 1", "can\0ary", "can\x1bary"])
def test_control_characters(home, value):
    """A value that would break out of a header is refused, and not shown."""
    message, hints = refused("env:A_KEY", home, {"A_KEY": value})

    assert message == "The secret `env:A_KEY` holds a line break or a control character"
    assert "ary" not in f"{message}{hints}"


def test_file_relative_to_the_home(home):
    """A relative path starts at the home folder."""
    write(home.keys / "openai.key", b"abc\n")

    assert resolve("file:keys/openai.key", home=home, environ={}).reveal() == "abc"


def test_file_absolute(home, tmp_path):
    """An absolute path is taken as it is."""
    path = write(tmp_path / "k", b"abc")

    assert resolve(f"file:{path}", home=home, environ={}).reveal() == "abc"


def test_file_below_the_users_home(home, tmp_path, monkeypatch):
    """`~` is the user's own folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "k", b"abc")

    assert resolve("file:~/k", home=home, environ={}).reveal() == "abc"


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("keys/openai.key", "Run `router secret set openai --plain`"),
        ("keys/local.key", "Run `router bootstrap`"),
        ("elsewhere/k", "Write the key to `elsewhere/k` with mode 600"),
    ],
)
def test_file_missing(home, place, hint):
    """The hint is the command that makes this file."""
    assert (
        f"The secret `file:{place}` is not there: `{home.root / place}` does not exist",
        (hint,),
    ) == refused(f"file:{place}", home)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_file_open_to_others(home, mode):
    """A file that others may read is refused with the command that closes it."""
    path = write(home.keys / "a.key", b"abc", mode)

    assert (
        f"The secret `file:keys/a.key` is not private: others may read `{path}` (mode {mode:o})",
        (f"Run `chmod 600 {path}`",),
    ) == refused("file:keys/a.key", home)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not text"),
        (b"a" * 70_000, "is too long to be a key"),
        (b"a\nb", "holds a line break or a control character"),
    ],
)
def test_file_of_no_use(home, content, reason):
    """Each reason has its own words."""
    write(home.keys / "a.key", content)

    message, hints = refused("file:keys/a.key", home)

    assert f"The secret `file:keys/a.key` {reason}" == message
    assert hints == ("Run `router secret set a --plain`",)


def test_something_else_than_a_file(home):
    """A folder and a pipe that nobody writes are refused at once."""
    os.mkfifo(home.keys / "a.key", 0o600)

    pipe, _ = refused("file:keys/a.key", home)
    folder, _ = refused("file:keys", home)

    assert f"The secret `file:keys/a.key` is not in a file: `{home.keys / 'a.key'}` is something else" == pipe
    assert f"The secret `file:keys` is not in a file: `{home.keys}` is something else" == folder


def test_path_through_a_file(home):
    """An operating system error is told in its own words."""
    write(home.keys / "a.key", b"abc")

    message, _ = refused("file:keys/a.key/deeper", home)

    assert message == "The secret `file:keys/a.key/deeper` cannot be read: not a directory"


@pytest.mark.usefixtures("drawer")
def test_keyring(home):
    """A keyring's entry is found by service and name."""
    assert resolve("keyring:llm-router/openai", home=home, environ={}).reveal() == "from-keyring"


@pytest.mark.usefixtures("drawer")
def test_keyring_without_the_entry(home):
    """The hint is the keyring's own command."""
    assert refused("keyring:llm-router/other", home) == (
        "The secret `keyring:llm-router/other` is not in the keyring",
        ("Run `keyring set llm-router other`, then `router up`",),
    )


@pytest.mark.usefixtures("drawer")
def test_keyring_locked(home):
    """A keyring that does not open says why."""
    with pytest.raises(SecretUnavailable) as caught:
        resolve("keyring:locked/a", home=home, environ={})

    assert caught.value.message == "The secret `keyring:locked/a` cannot be read from the keyring"
    assert caught.value.causes() == ("the collection is locked",)
