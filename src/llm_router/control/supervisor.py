"""The client of the supervisor's control socket, and the way a supervisor comes to be. Standard library only.

One request a connection: a JSON line out, JSON lines in, the last of which has `"done": true`.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_router.errors import RemoteError, RouterError
from llm_router.home import FILE_MODE, Home, HomeError, explain, peer_user

Progress = Callable[[Mapping[str, Any]], None]
CONNECT_LIMIT = 2.0
START_LIMIT = 30.0
ANSWER_MARGIN = 45.0  # an old LiteLLM may take 30 s to finish, and units 10 s to stop
LARGEST_LOG = 10 * 1024 * 1024
POLL = 0.02
REPORTED_BY = "supervisor.already_running"


class SupervisorNotRunning(RouterError):
    """No supervisor serves this home."""

    code = "supervisor.not_running"

    def __init__(self, home: Home) -> None:
        """`home` is the folder that nobody serves."""
        super().__init__(f"Nothing runs for `{home.root}`", hints=["Run `router up`"])


class SupervisorSilent(RouterError):
    """The supervisor did not answer in time, or broke off."""

    code = "supervisor.silent"


@dataclass(frozen=True, slots=True)
class SupervisorClient:
    """Asks the supervisor of one home. Holds no connection."""

    home: Home

    def call(
        self, op: str, *, on_progress: Progress | None = None, timeout: float | None = None, **fields: object
    ) -> dict[str, Any]:
        """Ask and wait for the result, at most `timeout` seconds between two lines: by default `wait` and a margin.

        Raises SupervisorNotRunning, SupervisorSilent, and RemoteError for an error that the supervisor reports.
        """
        with self._connect() as connection:
            try:
                connection.settimeout(_limit(fields.get("wait")) if timeout is None else timeout)
                connection.sendall((json.dumps({"op": op, **fields}) + "\n").encode())
                with connection.makefile("rb") as lines:
                    for line in lines:
                        message = json.loads(line)
                        if message.get("done"):
                            return _result(message)
                        if on_progress is not None and "progress" in message:
                            on_progress(message["progress"])
            except (OSError, ValueError) as error:
                raise self._silent(op) from error
        raise self._silent(op)

    def running(self) -> bool:
        """Whether a supervisor answers."""
        try:
            self.call("ping", timeout=CONNECT_LIMIT)
        except (SupervisorNotRunning, SupervisorSilent):
            return False
        return True

    def shut_down(self, *, on_progress: Progress | None = None, timeout: float = 60.0) -> None:
        """Stop everything, the supervisor as well, and wait until it is gone. Raises as `call`."""
        self.call("shutdown", on_progress=on_progress, timeout=timeout)
        deadline = time.monotonic() + CONNECT_LIMIT
        while self.home.supervisor_identity.exists() and time.monotonic() < deadline:
            time.sleep(POLL)

    def _connect(self) -> socket.socket:
        connection = self._connected()
        user = peer_user(connection)
        if user is not None and user not in self._owners():
            connection.close()
            raise SupervisorSilent(
                f"The supervisor's socket `{self.home.supervisor_socket}` belongs to another user",
                hints=["Remove it, and look who put it there"],
            )
        return connection

    def _owners(self) -> set[int]:
        """Who may have started this home's supervisor: whoever asks, root, and the home's owner."""
        users = {0, os.geteuid()}
        with contextlib.suppress(OSError):
            users.add(self.home.root.stat().st_uid)
        return users

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_LIMIT)
        try:
            connection.connect(str(self.home.supervisor_socket))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            connection.close()
            raise SupervisorNotRunning(self.home) from error
        except OSError as error:
            connection.close()
            raise SupervisorSilent(
                f"The supervisor's socket `{self.home.supervisor_socket}` cannot be reached: {explain(error)}"
            ) from error
        return connection

    def _silent(self, op: str) -> SupervisorSilent:
        return SupervisorSilent(
            f"The supervisor did not finish `{op}`", hints=[f"Look at `{self.home.log('supervisor')}`"]
        )


def ensure_supervisor(home: Home, environ: Mapping[str, str], *, autostart: bool = True) -> bool:
    """Start a supervisor for this home unless one runs. Returns whether this call started it.

    With `autostart` it starts all units at once. Raises what the supervisor reports, e.g. a port in use.
    """
    client = SupervisorClient(home)
    if home.supervisor_socket.exists() and client.running():
        return False
    home.create()
    try:
        _spawn(home, environ, autostart)
    except RemoteError as error:
        if error.code != REPORTED_BY:
            raise
        _wait_for_other(client)
        return False
    return True


def _spawn(home: Home, environ: Mapping[str, str], autostart: bool) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "llm_router.supervisor", "--home", str(home.root)]
    command += ["--report-fd", str(writing), *([] if autostart else ["--idle"])]
    log = _open_log(home)
    try:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        writing = -1
        report = _read_report(reading)
        process.wait(START_LIMIT)  # it has forked the daemon and is gone
    finally:
        for descriptor in (reading, writing, log):
            if descriptor >= 0:
                os.close(descriptor)
    if report is None:
        raise SupervisorSilent(
            "The supervisor ended before it had started", hints=[f"Look at `{home.log('supervisor')}`"]
        )
    if not report["ok"]:
        raise RemoteError(report["error"])


def _read_report(reading: int) -> dict[str, Any] | None:
    text, deadline = b"", time.monotonic() + START_LIMIT
    while not text.endswith(b"\n") and select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(reading, 65536)
        if not chunk:
            break
        text += chunk
    try:
        report: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return report


def _open_log(home: Home) -> int:
    path = home.log("supervisor")
    try:
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_name(f"{path.name}.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise HomeError(f"`{path}` cannot be written: {explain(error)}", unharmed="Nothing was started") from error


def _wait_for_other(client: SupervisorClient) -> None:
    """Somebody else's supervisor holds the lock; it answers in a moment."""
    deadline = time.monotonic() + START_LIMIT
    while not client.running():
        if time.monotonic() > deadline:
            raise SupervisorSilent(
                "Another supervisor holds this home and does not answer",
                hints=[f"Look at `{client.home.supervisor_identity}` for its pid and end that process"],
            )
        time.sleep(POLL)


def _limit(wait: object) -> float:
    return ANSWER_MARGIN + (wait if isinstance(wait, int | float) else 0.0)


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    if message.get("ok"):
        return dict(message.get("result") or {})
    raise RemoteError(dict(message.get("error") or {}))
