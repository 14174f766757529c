"""The supervisor's control socket: one request a connection, JSON lines, the last one with `"done": true`."""

import asyncio
import errno
import json
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from llm_router.errors import Exit, RouterError
from llm_router.home import FILE_MODE, Home, HomeError, close_folder, explain, peer_user
from llm_router.supervisor.operations import BadRequest, Operations

LONGEST_REQUEST = 1024 * 1024


@dataclass(slots=True)
class ControlSocket:
    """Owns the socket and the task of each connection."""

    home: Home
    operations: Operations
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen; only for the holder of the supervisor's lock, who may replace a stale socket. Raises HomeError."""
        path = self.home.supervisor_socket
        try:
            if path.parent != self.home.runtime and path.parent.is_symlink():
                raise OSError(errno.ELOOP, "its folder is a link that somebody put there")
            close_folder(path.parent)
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(path))
            path.chmod(FILE_MODE)
        except OSError as error:
            raise HomeError(f"The control socket `{path}` cannot be made: {explain(error)}") from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LONGEST_REQUEST)

    async def close(self) -> None:
        """Remove the socket and let open answers be written."""
        self.home.supervisor_socket.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=1.0)
            for task in late:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not may_ask(peer_user(writer.get_extra_info("socket"))):
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            task.set_name("control:request")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            answer = await self._answer(reader, writer)
            _send(writer, {"done": True, **answer})
            await writer.drain()
        except OSError:
            pass  # the asker went away; what it asked for is done all the same
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, object]:
        try:
            request = _decode(await reader.readline())
            result = await self.operations.perform(request, lambda line: _send(writer, {"progress": line}))
        except RouterError as error:
            return {"ok": False, "error": error.as_json()}
        except Exception as error:  # noqa: BLE001 - a bug must reach the asker as an answer, not as a hang-up
            message = f"the supervisor met a bug: {type(error).__name__}: {error}"
            report = {**RouterError(message).as_json(), "code": "supervisor.bug", "exit_code": int(Exit.BUG)}
            return {"ok": False, "error": report}
        return {"ok": True, "result": result}


def may_ask(user: int | None) -> bool:
    """Whether a user may command this supervisor: its own, and root. The socket's mode says so too; it can be lost."""
    return user is None or user in {0, os.geteuid()}


def _decode(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise BadRequest("a request must be one line of JSON") from error
    if not isinstance(request, dict):
        raise BadRequest("a request must be a JSON object")
    return request


def _send(writer: asyncio.StreamWriter, line: dict[str, object]) -> None:
    if not writer.is_closing():
        writer.write((json.dumps(line) + os.linesep).encode())
