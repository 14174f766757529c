"""The client of the control socket, against sockets that behave and sockets that do not."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_router.control.supervisor import (
    SupervisorClient,
    SupervisorNotRunning,
    SupervisorSilent,
    ensure_supervisor,
)
from llm_router.errors import RemoteError
from llm_router.home import Home
from llm_router.testing.supervised import plain_plan, supervised


@contextmanager
def answering(home: Home, answer: bytes) -> Iterator[SupervisorClient]:
    """A control socket that sends these bytes to the first request and hangs up."""
    home.create()
    home.supervisor_socket.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(home.supervisor_socket))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        yield SupervisorClient(home)
        server.join()
    home.supervisor_socket.unlink()


def test_progress_then_result(tmp_path: Path) -> None:
    """Every line before the last is progress."""
    lines = (
        b'{"progress": {"unit": "a"}}\n{"progress": {"unit": "b"}}\n{"done": true, "ok": true, "result": {"x": 1}}\n'
    )
    seen: list[object] = []
    with answering(Home(tmp_path / ".router"), lines) as client:
        assert client.call("start", on_progress=seen.append) == {"x": 1}
    assert seen == [{"unit": "a"}, {"unit": "b"}]


@pytest.mark.parametrize("answer", [b"", b'{"progress": {}}\n', b"not json\n"])
def test_a_hang_up_is_silence(tmp_path: Path, answer: bytes) -> None:
    """What was asked for may or may not have been done, and the error says where to look."""
    with answering(Home(tmp_path / ".router"), answer) as client, pytest.raises(SupervisorSilent) as silent:
        client.call("stop")
    assert silent.value.message == "The supervisor did not finish `stop`"


def test_nobody_and_a_stale_socket(tmp_path: Path) -> None:
    """No socket and a socket that nobody serves are the same: nothing runs."""
    home = Home(tmp_path / ".router")
    home.create()
    client = SupervisorClient(home)
    with pytest.raises(SupervisorNotRunning) as nobody:
        client.call("ping")
    assert (nobody.value.message, nobody.value.hints) == (f"Nothing runs for `{home.root}`", ("Run `router up`",))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        home.supervisor_socket.parent.mkdir(mode=0o700, exist_ok=True)
        stale.bind(str(home.supervisor_socket))
    assert not client.running()
    home.supervisor_socket.unlink()


def test_wrong_requests_are_answered(tmp_path: Path) -> None:
    """An unknown operation, a wrong shape, and something that is not JSON."""
    with supervised(tmp_path) as held:
        for fields, code in (
            ({"op": "explode"}, "usage.unknown_name"),
            ({"op": "start", "units": "all"}, "supervisor.bad_request"),
            ({"op": "wait", "wait": "long"}, "supervisor.bad_request"),
        ):
            with pytest.raises(RemoteError) as refused:
                held.client.call(**fields)
            assert (refused.value.code, refused.value.exit_code) == (code, 2)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
            raw.connect(str(held.home.supervisor_socket))
            raw.sendall(b"hello\n")
            assert b'"supervisor.bad_request"' in raw.recv(65536)
        assert held.home.supervisor_socket.stat().st_mode & 0o777 == 0o600


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Its error is the caller's, and nothing stays behind."""
    home = Home(tmp_path / ".router")
    home.create()
    with pytest.raises(RemoteError) as failed:
        ensure_supervisor(home, dict(os.environ))
    assert failed.value.code == "supervisor.no_plan"
    assert not home.supervisor_socket.exists()
    plan = plain_plan()
    home.plan.write_bytes(plan.to_json())
    with (
        socket.create_server(("127.0.0.1", plan.translator.port)),
        pytest.raises(RemoteError) as taken,
    ):
        ensure_supervisor(home, dict(os.environ))
    assert (taken.value.code, taken.value.unharmed) == ("supervisor.port_in_use", "Nothing was started")
    with socket.create_server(("127.0.0.1", plan.gateway.port)):
        pass  # the door that was bound first is free again


def test_a_daemon_without_a_terminal(tmp_path: Path) -> None:
    """It is nobody's child, leads its own session, and a second call finds it."""
    home = Home(tmp_path / ".router")
    home.create()
    home.plan.write_bytes(plain_plan().to_json())
    assert ensure_supervisor(home, dict(os.environ), autostart=False) is True
    try:
        client = SupervisorClient(home)
        pid = client.call("ping")["pid"]
        assert os.getsid(pid) not in (0, os.getsid(0))
        assert ensure_supervisor(home, dict(os.environ)) is False
        assert {unit["state"] for unit in client.call("status")["units"]} == {"stopped"}
    finally:
        SupervisorClient(home).shut_down()
    assert not SupervisorClient(home).running()
