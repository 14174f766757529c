"""Which sandbox a command means."""

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_router.control.sandbox import BY_HAND, find_sandbox
from llm_router.home import Home


@contextmanager
def supervisor(home: Home, *units: dict) -> Iterator[None]:
    """A control socket that answers one request with the status of these units."""
    home.supervisor_socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(home.supervisor_socket))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as lines:
                assert json.loads(lines.readline()) == {"op": "status"}
                lines.write(json.dumps({"done": True, "ok": True, "result": {"units": units}}).encode() + b"\n")

        thread = threading.Thread(target=answer, name="supervisor")
        thread.start()
        yield
        thread.join()


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Home(Path(folder) / ".router")


def test_nothing_runs(home: Home):
    """Then it is the one that `router sandbox` starts by hand."""
    assert find_sandbox(home) == BY_HAND


@pytest.mark.parametrize(
    ("units", "url"),
    [
        ([{"unit": "gateway", "ready": True, "url": "http://127.0.0.1:1"}], BY_HAND),
        ([{"unit": "sandbox", "ready": True, "url": "http://127.0.0.1:2"}], "http://127.0.0.1:2"),
        ([{"unit": "sandbox", "ready": False, "url": "http://127.0.0.1:2"}], BY_HAND),
        ([{"unit": "sandbox", "ready": True, "url": None}], BY_HAND),
    ],
)
def test_a_supervisor_runs(home: Home, units: list[dict], url: str):
    """Its sandbox is meant when it is ready."""
    with supervisor(home, *units):
        assert find_sandbox(home) == url
