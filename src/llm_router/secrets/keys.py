"""Keys of this home: one 0600 file each under `keys/`, and the client key that bootstrap makes."""

import contextlib
import os
import re
import secrets
from pathlib import Path

from llm_router.errors import UnknownName, UsageError
from llm_router.home import FILE_MODE, Home, HomeError, close_folder, explain, write_private
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import LARGEST_SECRET, resolve

LOCAL_KEY = "file:keys/local.key"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RANDOM_BYTES = 32


class BadKey(UsageError):
    """A key's name or value cannot be stored."""

    code = "secret.bad_key"


class KeyOnCommandLine(UsageError):
    """A key was given as an argument, where every process of the machine can read it."""

    code = "secret.on_command_line"

    def __init__(self, name: str) -> None:
        """`name` is the key's name; the key itself is not repeated."""
        super().__init__(
            "A key is never an argument: other processes and the shell's history can read it",
            hints=[f"Run `router secret set {name}` and give the key when asked, or through stdin"],
            unharmed="Nothing was stored",
        )


def reference_to(name: str) -> str:
    """The reference to write in the configuration for the stored key `name`."""
    return f"file:keys/{name}.key"


def create_local_key(home: Home) -> Secret | None:
    """Make the local client key, or return None when there is one: it is never overwritten. Raises HomeError."""
    _close_keys(home)
    key = Secret(f"rk-{secrets.token_urlsafe(_RANDOM_BYTES)}")
    return key if _write_new(home.local_key, (key.reveal() + "\n").encode()) else None


def read_local_key(home: Home) -> Secret:
    """The local client key. Raises SecretUnavailable."""
    return resolve(LOCAL_KEY, home=home, environ={})


def store_key(home: Home, name: str, value: Secret) -> bool:
    """Keep `value` as `keys/<name>.key`. Returns whether it replaced another. Raises BadKey, HomeError."""
    path = _path(home, name)
    text = usable(name, value).reveal()
    _close_keys(home)
    replaced = path.exists()
    write_private(path, (text + "\n").encode())
    return replaced


def usable(name: str, value: Secret) -> Secret:
    """The value without white space around it. Raises BadKey when the name or the value cannot be stored."""
    if not _NAME.fullmatch(name):
        raise BadKey("A key's name is made of a-z, 0-9, `-` and `_`", hints=["For example `router secret set openai`"])
    text = value.reveal().strip()
    if not text:
        raise BadKey("The key is empty", hints=[f"Run `router secret set {name}` again and give a value"])
    if not text.isprintable() or len(text.encode()) > LARGEST_SECRET:
        raise BadKey("The key must be one line of text", unharmed="Nothing was stored")
    return Secret(text)


def stored_keys(home: Home) -> list[str]:
    """The names of the stored keys, in alphabetical order."""
    return sorted(path.stem for path in home.keys.glob("*.key") if _NAME.fullmatch(path.stem))


def remove_key(home: Home, name: str) -> None:
    """Delete `keys/<name>.key`. Raises UnknownName, BadKey, HomeError."""
    try:
        _path(home, name).unlink()
    except FileNotFoundError:
        raise UnknownName("stored key", name, stored_keys(home)) from None
    except OSError as error:
        raise HomeError(f"The key `{name}` cannot be removed: {explain(error)}") from error


def _path(home: Home, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BadKey("A key's name is made of a-z, 0-9, `-` and `_`", hints=["For example `router secret set openai`"])
    return home.keys / f"{name}.key"


def _close_keys(home: Home) -> None:
    try:
        for folder in (home.root, home.keys):
            close_folder(folder)
    except OSError as error:
        raise HomeError(f"`{home.keys}` cannot be made private: {explain(error)}") from error


def _write_new(path: Path, content: bytes) -> bool:
    """Create `path` unless it is there, as a whole: a key cut short by an interruption would lock its owner out."""
    if path.exists():
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise HomeError(
            f"`{path}` cannot be written: {explain(error)}", hints=["Free some space or mend the folder's mode"]
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True
