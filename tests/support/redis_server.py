"""A real redis-server of a test's own: on a unix socket in its folder, no port, nothing kept on disk."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.polling import until

PROGRAM = "redis-server"


def is_installed() -> bool:
    """Whether there is one."""
    return shutil.which(PROGRAM) is not None


class RedisServer:
    """One server that a test may stop and start again. What it held is gone after a stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, and wait until it accepts."""
        command = [PROGRAM, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=log, stderr=log)
        until(self._accepts, within=10, every=0.01)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True


@contextmanager
def running(folder: Path) -> Iterator[RedisServer]:
    """A server that is stopped at the end."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
