"""Scripted processes: small stand-ins for the programs that the supervisor runs. Standard library only.

python -m llm_router.testing.scripted gateway
python -m llm_router.testing.scripted http PORT [--unready-while FILE] [--ignore-term] [--grandchild FILE] PORT
python -m llm_router.testing.scripted crash [TEXT]
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CRASH_CODE = 7


def command(*arguments: str) -> tuple[str, ...]:
    """The command line of a scripted process."""
    return (sys.executable, "-P", "-m", "llm_router.testing.scripted", *arguments)


@dataclass(slots=True)
class ScriptedGateway:
    """Speaks the gateway's launch contract. Any GET is answered with what it was configured with.

    `runtime/in_flight.json` in its home says what it reports as in flight per translator generation.
    """

    home: Path
    configured: dict[str, Any] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, listeners: Mapping[str, socket.socket], control: socket.socket) -> None:
        """Answer until drained or hung up on."""
        reader, writer = await asyncio.open_connection(sock=control, limit=16 * 1024 * 1024)
        listening = asyncio.get_running_loop().create_task(self._control(reader, writer), name="control")
        servers: list[asyncio.Server] = []
        try:
            while not self.configured and not self.done.is_set():
                await asyncio.wait({listening}, timeout=0.01)
            servers = [await asyncio.start_server(self._answer, sock=held) for held in listeners.values()]
            writer.write(b'{"op": "ready"}\n')
            await self.done.wait()
        finally:
            for server in servers:
                server.close()
                await server.wait_closed()  # who was accepted is answered
            listening.cancel()

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            body = self._perform(message)
            writer.write((json.dumps({"id": message["id"], "ok": True, **body}) + "\n").encode())
        self.done.set()

    def _perform(self, message: Mapping[str, Any]) -> dict[str, Any]:
        match message["op"]:
            case "configure":
                self.configured = dict(message)
                return {"problems": []}
            case "stats":
                return {"in_flight": 0, "translators": self._in_flight()}
            case "drain":
                self.done.set()
        return {}

    def _in_flight(self) -> dict[str, int]:
        try:
            held: dict[str, int] = json.loads((self.home / "runtime" / "in_flight.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return held

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        translator = self.configured.get("translator") or {}
        body = {
            "pid": os.getpid(),
            "profile": self.configured["plan"]["profile"],
            "endpoints": self.configured["endpoints"],
            "generation": translator.get("generation"),
            "translator_url": translator.get("base_url"),
            "variables": sorted(os.environ),
        }
        _respond(writer, 200, json.dumps(body).encode())


async def run_gateway(environ: Mapping[str, str]) -> None:
    """The scripted gateway as a process."""
    pairs = (pair.partition("=") for pair in environ["LLM_ROUTER_LISTEN_FDS"].split(","))
    listeners = {name: socket.socket(fileno=int(number)) for name, _, number in pairs}
    gateway = ScriptedGateway(Path(environ["LLM_ROUTER_HOME"]))
    await gateway.serve(listeners, socket.socket(fileno=int(environ["LLM_ROUTER_CONTROL_FD"])))


async def run_http(port: int, unready_while: Path | None) -> None:
    """Answer 200 to everything, or 503 while a file is there."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        unready = unready_while is not None and os.path.exists(unready_while)  # noqa: ASYNC240, PTH110 - a test's switch
        _respond(writer, 503 if unready else 200, b"{}")

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


def _respond(writer: asyncio.StreamWriter, code: int, body: bytes) -> None:
    writer.write(f"HTTP/1.1 {code} x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
    writer.close()


def _http(options: argparse.Namespace) -> None:
    sys.stdout.write(f"serves {options.port} with key {os.environ.get('LITELLM_MASTER_KEY', 'none')}\n")
    sys.stdout.flush()
    if options.grandchild:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        options.grandchild.write_text(str(child.pid))
    if options.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(run_http(options.port, options.unready_while))


def _crash(options: argparse.Namespace) -> None:
    sys.stdout.write(f"{options.text}\n")
    sys.exit(CRASH_CODE)


def _gateway(_options: argparse.Namespace) -> None:
    asyncio.run(run_gateway(os.environ))


def main(arguments: list[str]) -> None:
    """Run one scripted process."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(required=True)
    _kind(kinds, "gateway", _gateway)
    http = _kind(kinds, "http", _http)
    http.add_argument("port", type=int)
    http.add_argument("--unready-while", type=Path)
    http.add_argument("--ignore-term", action="store_true")
    http.add_argument("--grandchild", type=Path)
    crash = _kind(kinds, "crash", _crash)
    crash.add_argument("text", nargs="?", default="it broke")
    crash.add_argument("ignored", nargs="*")
    options = parser.parse_args(arguments)
    options.run(options)


def _kind(kinds: Any, name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse names no type
    made: argparse.ArgumentParser = kinds.add_parser(name)
    made.set_defaults(run=run)
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
