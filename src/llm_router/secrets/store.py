"""From a reference to the secret it names: variables, private files, the desktop's keyring, sealed files."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home, explain
from llm_router.secrets.references import Reference, Store
from llm_router.secrets.secret import Secret

LARGEST_SECRET = 64 * 1024
OPEN_TO_OTHERS = 0o077


class SecretUnavailable(RouterError):
    """A secret that the configuration names cannot be had."""

    code = "secret.unavailable"

    def __init__(self, reference: str, reason: str, hint: str) -> None:
        """`reason` completes "The secret `…` …"; `hint` says what to run."""
        self.reference, self.reason = reference, reason
        super().__init__(f"The secret `{reference}` {reason}", hints=[hint])


def resolve(reference: str, *, home: Home, environ: Mapping[str, str]) -> Secret:
    """The secret behind `reference`. Raises BadReference or SecretUnavailable.

    A relative `file:` path starts at the home folder. White space around the value is not part of it.
    """
    parsed = Reference.parse(reference)
    match parsed.store:
        case Store.ENV:
            text = _from_environment(parsed, environ)
        case Store.FILE:
            text = _from_file(parsed, home)
        case Store.KEYRING:
            text = _from_keyring(parsed)
        case Store.SEALED:
            text = _from_sealed(parsed, home, environ)
    return Secret(_checked(parsed, text.strip()))


def file_of(reference: Reference, home: Home) -> Path:
    """The file that a `file:` reference names."""
    return home.root / Path(reference.place).expanduser()


def _how_to_store(reference: Reference) -> str:
    match reference.store:
        case Store.ENV:
            return f"Run `export {reference.place}=…` in the shell that starts the router, then `router up`"
        case Store.KEYRING:
            service, entry = reference.keyring_parts()
            return f"Run `keyring set {service} {entry}`, then `router up`"
        case Store.SEALED:
            return f"Run `router secret set {reference.place}`"
    path = Path(reference.place)
    if reference.place == "keys/local.key":
        return "Run `router bootstrap`"
    if path.parent == Path("keys") and path.suffix == ".key":
        return f"Run `router secret set {path.stem} --plain`"
    return f"Write the key to `{reference.place}` with mode 600"


def _checked(reference: Reference, text: str) -> str:
    if not text:
        raise SecretUnavailable(str(reference), "is empty", _how_to_store(reference))
    if not text.isprintable():
        raise SecretUnavailable(str(reference), "holds a line break or a control character", _how_to_store(reference))
    return text


def _from_environment(reference: Reference, environ: Mapping[str, str]) -> str:
    try:
        return environ[reference.place]
    except KeyError:
        raise SecretUnavailable(str(reference), "is not set in the environment", _how_to_store(reference)) from None


def _from_file(reference: Reference, home: Home) -> str:
    path = file_of(reference, home)
    try:
        # O_NONBLOCK: a named pipe must not hold up the process that opens it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SecretUnavailable(
            str(reference), f"is not there: `{path}` does not exist", _how_to_store(reference)
        ) from None
    except OSError as error:
        raise SecretUnavailable(
            str(reference), f"cannot be read: {explain(error)}", f"Run `chmod 600 {path}`"
        ) from error
    try:
        _check_file(reference, path, os.fstat(descriptor))
        content = os.read(descriptor, LARGEST_SECRET + 1)
    except OSError as error:
        raise SecretUnavailable(str(reference), f"cannot be read: {explain(error)}", "Name another file") from error
    finally:
        os.close(descriptor)
    if len(content) > LARGEST_SECRET:
        raise SecretUnavailable(str(reference), "is too long to be a key", _how_to_store(reference))
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable(str(reference), "is not text", _how_to_store(reference)) from None


def _check_file(reference: Reference, path: Path, held: os.stat_result) -> None:
    if not stat.S_ISREG(held.st_mode):
        raise SecretUnavailable(str(reference), f"is not in a file: `{path}` is something else", "Name a file")
    if stat.S_IMODE(held.st_mode) & OPEN_TO_OTHERS:
        raise SecretUnavailable(
            str(reference),
            f"is not private: others may read `{path}` (mode {stat.S_IMODE(held.st_mode):o})",
            f"Run `chmod 600 {path}`",
        )
    if held.st_uid not in (os.getuid(), 0):
        raise SecretUnavailable(
            str(reference), f"is not yours: `{path}` belongs to another user", f"Run `chown $USER {path}`"
        )


def _from_keyring(reference: Reference) -> str:
    import keyring
    import keyring.errors

    service, entry = reference.keyring_parts()
    try:
        held = keyring.get_password(service, entry)
    except (keyring.errors.KeyringError, OSError, RuntimeError) as error:
        raise SecretUnavailable(
            str(reference),
            "cannot be read from the keyring",
            "Unlock the keyring, or store the key with `router secret set NAME` and write the reference that it prints",
        ) from error
    if held is None:
        raise SecretUnavailable(str(reference), "is not in the keyring", _how_to_store(reference))
    return held


def _from_sealed(reference: Reference, home: Home, environ: Mapping[str, str]) -> str:
    from llm_router.secrets.sealed_store import SealedStore

    try:
        return SealedStore(home, environ).get(reference.place).reveal()
    except UnknownName:
        raise SecretUnavailable(str(reference), "is not stored", _how_to_store(reference)) from None
    except RouterError as error:
        raise SecretUnavailable(
            str(reference), "cannot be opened", error.hints[0] if error.hints else _how_to_store(reference)
        ) from error
