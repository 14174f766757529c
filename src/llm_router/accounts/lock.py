"""Single flight: at most one process of this machine refreshes one account at one time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_router.errors import RouterError
from llm_router.home import FILE_MODE, HomeError, close_folder, explain

# Longer than a refresh may take, so who waits for it gives up only when something is broken.
PATIENCE = 90.0  # seconds
_PAUSE = 0.02  # seconds


class AccountBusy(RouterError):
    """Another process holds an account for longer than a refresh can take."""

    code = "account.busy"


@contextmanager
def held(folder: Path, name: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the account `name`; a process that dies lets go of it. Raises AccountBusy, HomeError."""
    path = folder / f".{name}.lock"
    try:
        for place in (folder.parent, folder):
            close_folder(place)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise HomeError(f"`{path}` cannot be written: {explain(error)}", unharmed="Nothing was changed") from error
    try:
        _take(descriptor, name, time.monotonic() + patience)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, name: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise AccountBusy(
                    f"Another process is refreshing the account `{name}` and does not finish",
                    hints=["Run the same command again in a minute"],
                ) from None
            time.sleep(_PAUSE)
        else:
            return
