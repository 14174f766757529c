"""Real child processes for tests: started on sockets of their own, waited for, and ended by pid."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.request import ProxyHandler, build_opener

from llm_router.sandbox.recorder import MOST_REQUESTS

SECONDS_TO_START = 20
SECONDS_TO_END = 5


class ProcessNotReadyError(Exception):
    """A child process did not answer in time, or ended before it did."""


def free_listener() -> socket.socket:
    """A listening socket on a free loopback port: handed to a child, no other process can take the port meanwhile."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


@contextmanager
def running_sandbox(*, wires: Iterable[str] = (), seed: int = 0, keep: int = MOST_REQUESTS) -> Iterator[str]:
    """A sandbox in a process of its own; yields its base URL, e.g. `http://127.0.0.1:41003`, without `/v1`.

    `wires` restricts what it serves, e.g. `["chat"]`; `keep` is how many requests it remembers.
    Raises ProcessNotReadyError.
    """
    with free_listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {
            **os.environ,
            "LLM_ROUTER_LISTEN_FDS": f"sandbox={listener.fileno()}",
            "LLM_ROUTER_SANDBOX_WIRES": ",".join(wires),
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "llm_router.sandbox", "--seed", str(seed), "--keep", str(keep)],
            env=environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    with child:
        try:
            _await_answer(f"{url}/healthz", child)
            yield url
        finally:
            end(child)


def end(child: "subprocess.Popen[bytes]") -> int:
    """Ask a child to stop, kill it when it does not; returns its exit code."""
    child.terminate()
    try:
        return child.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _await_answer(url: str, child: "subprocess.Popen[bytes]") -> None:
    # The socket already listens, so one request is enough: it is answered when the child accepts.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS_TO_START) as answer:
            answer.read()
    except OSError as error:
        end(child)
        said = child.stderr.read().decode("utf-8", "replace") if child.stderr else ""
        raise ProcessNotReadyError(f"{url} did not answer: {error}; the process said: {said}") from error
