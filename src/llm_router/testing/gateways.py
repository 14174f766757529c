"""A real gateway process without a supervisor: the test holds the sockets and the other end of the channel."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.routing.plan import Plan

_DEADLINE = 20.0  # seconds for a start, an answer on the channel, and a stop


@dataclass(slots=True)
class RunningGateway:
    """A gateway process and its channel."""

    process: subprocess.Popen[bytes]
    port: int
    translator_port: int
    channel: socket.socket
    _messages: int = 0
    _buffer: bytes = field(default=b"")

    @property
    def url(self) -> str:
        """The direct door."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, op: str, **fields: object) -> dict[str, Any]:
        """Send one message and read its answer."""
        self._messages += 1
        message = {"id": self._messages, "op": op, **fields}
        self.channel.sendall(json.dumps(message).encode() + b"\n")
        while (reply := self.read()).get("id") != self._messages:
            pass
        return reply

    def read(self) -> dict[str, Any]:
        """The next message of the gateway's."""
        while b"\n" not in self._buffer:
            received = self.channel.recv(65536)
            if not received:
                raise EOFError("the gateway hung up")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply


def listener() -> socket.socket:
    """A socket that listens on a free loopback port."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    held.listen(1024)
    return held


@contextmanager
def running_gateway(
    home: Path,
    plan: Plan,
    *,
    endpoints: Mapping[str, str] | None = None,
    translator: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    doors: tuple[socket.socket, socket.socket] | None = None,
) -> Iterator[RunningGateway]:
    """Start a gateway, configure it, wait until it is ready, and end it afterwards.

    `doors` are the caller's, who may give them to several workers; without them it gets two of its own.
    """
    main, familiar = doors or (listener(), listener())
    ours, theirs = socket.socketpair()
    ours.settimeout(_DEADLINE)
    process = _spawn(home, {"gateway": main, "translator": familiar}, theirs, environment or {})
    gateway = RunningGateway(process, main.getsockname()[1], familiar.getsockname()[1], ours)
    try:
        gateway.call("configure", plan=json.loads(plan.to_json()), endpoints=endpoints or {}, translator=translator)
        while gateway.read().get("op") != "ready":
            pass
        yield gateway
    finally:
        for held in (ours, main, familiar):
            held.close()
        _end(process)


def _spawn(
    home: Path, doors: Mapping[str, socket.socket], channel: socket.socket, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A gateway process that inherits its doors and its end of the channel, which is closed here."""
    names = ",".join(f"{name}={door.fileno()}" for name, door in doors.items())
    with channel:
        return subprocess.Popen(  # the command is a list of our own
            [sys.executable, "-m", "llm_router.gateway"],
            env={
                "PATH": os.environ.get("PATH", ""),
                **environment,
                "LLM_ROUTER_LISTEN_FDS": names,
                "LLM_ROUTER_CONTROL_FD": str(channel.fileno()),
                "LLM_ROUTER_HOME": str(home),
            },
            pass_fds=(*(door.fileno() for door in doors.values()), channel.fileno()),
            stdin=subprocess.DEVNULL,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
