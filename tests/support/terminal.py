"""A command in a pseudo-terminal, as a person sees it: what it draws, what is typed, Ctrl-C."""

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.polling import until


class Terminal:
    """Runs one command until it ends; `text` is everything that was drawn so far."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path):
        self._master, slave = pty.openpty()
        self._drawn = bytearray()
        self.process = subprocess.Popen(
            list(command), env=dict(environ), cwd=folder, stdin=slave, stdout=slave, stderr=slave, close_fds=True
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return self._drawn.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, words: str, within: float = 30.0) -> None:
        """Until these words are drawn."""
        until(lambda: words in self.text or self._ended_without(words), within=within)

    def type(self, text: str) -> None:
        """Keys, as typed."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, within: float = 40.0) -> int:
        """The exit code, once everything is drawn."""
        code = self.process.wait(within)
        self._reader.join(5)
        os.close(self._master)
        return code

    def _ended_without(self, words: str) -> bool:
        if self.process.poll() is not None:
            self._reader.join(5)
            assert words in self.text, f"ended without {words!r}: {self.text}"
        return False

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 65536)
            except OSError:
                return  # the other end is closed
            if not piece:
                return
            self._drawn += piece
