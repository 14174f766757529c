"""The desktop's keyring, with everything that it can do wrong told apart: none, locked, hides nothing, forgets."""

import threading
from collections.abc import Callable

from llm_router.errors import RouterError

SERVICE = "llm-router"
# A keyring may ask a person for its password; nobody may be there.
_PATIENCE = 60.0  # seconds
_HIDES_NOTHING = ("keyrings.alt.",)


class KeyringUnusable(RouterError):
    """There is no keyring, or it is locked, or it does not keep what it is given."""

    code = "secret.keyring_unusable"


def read(entry: str) -> str | None:
    """The entry's value, or None. Raises KeyringUnusable."""

    def ask() -> str | None:
        import keyring

        _refuse_plain(keyring.get_keyring())
        return keyring.get_password(SERVICE, entry)

    return _asked(ask)


def write(entry: str, value: str) -> None:
    """Keep a value and read it back: a keyring that forgets is none. Raises KeyringUnusable."""

    def ask() -> str | None:
        import keyring

        _refuse_plain(keyring.get_keyring())
        keyring.set_password(SERVICE, entry, value)
        return keyring.get_password(SERVICE, entry)

    if _asked(ask) != value:
        raise KeyringUnusable("The keyring does not keep what it is given")


def forget(entry: str) -> None:
    """Delete an entry, if it is there. Raises KeyringUnusable."""

    def ask() -> None:
        import keyring
        import keyring.errors

        try:
            keyring.delete_password(SERVICE, entry)
        except keyring.errors.PasswordDeleteError:
            return

    _asked(ask)


def _refuse_plain(backend: object) -> None:
    if type(backend).__module__.startswith(_HIDES_NOTHING):
        raise KeyringUnusable("The keyring that is set up keeps its passwords in a plain file")


def _asked[Answer](ask: Callable[[], Answer]) -> Answer:
    """Ask in a thread of its own, so that a keyring that waits for a person cannot hold up the process for ever."""
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as error:  # noqa: BLE001 - back ends raise what they like; it is told to who asked
            failures.append(error)

    worker = threading.Thread(target=work, name="keyring", daemon=True)
    worker.start()
    worker.join(_PATIENCE)
    if failures:
        raise _explained(failures[0]) from failures[0]
    if not answers:
        raise KeyringUnusable(f"The keyring did not answer within {_PATIENCE:g} s; it may be waiting for a password")
    return answers[0]


def _explained(error: BaseException) -> RouterError:
    import keyring.errors

    if isinstance(error, KeyringUnusable):
        return error
    if isinstance(error, keyring.errors.NoKeyringError):
        return KeyringUnusable("There is no keyring on this machine")
    if isinstance(error, keyring.errors.KeyringLocked | keyring.errors.InitError):
        return KeyringUnusable("The keyring is locked")
    return KeyringUnusable(f"The keyring cannot be used ({type(error).__name__})")
