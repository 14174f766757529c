"""Waiting for a state: asked often, given up after a bounded time, with what was last seen in the failure."""

import asyncio
import threading
import time
from collections.abc import Callable

_PAUSE = threading.Event()  # never set: a wait that nothing cuts short


def until[Seen](look: Callable[[], Seen], *, within: float, every: float = 0.05) -> Seen:
    """Call `look` until it gives something true, and return that. Raises AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last seen: {seen!r}")
        _PAUSE.wait(every)
    return seen


async def eventually[Seen](look: Callable[[], Seen], *, within: float = 20.0, every: float = 0.01) -> Seen:
    """`until` for tests that share an event loop with what they wait for."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last seen: {seen!r}")
        await asyncio.sleep(every)
    return seen
