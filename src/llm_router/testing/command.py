"""The `router` command as a process, in a home and an environment of its own, for tests of whole sessions."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.home import Home
from llm_router.supervisor.sockets import free_port

PROGRAM = (sys.executable, "-c", "from llm_router.cli.main import run; run()")
DEADLINE = 90.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout of a `--json` command."""
        body: dict[str, Any] = json.loads(self.out)
        return body


@dataclass(slots=True)
class RouterCommand:
    """Runs `router …` for one home, on free ports. `stop` ends what it left running."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
        ports = {"ROUTER_GATEWAY_PORT": str(free_port()), "ROUTER_LITELLM_PORT": str(free_port())}
        self.environ = {
            **kept,
            "HOME": str(self.folder),
            "ROUTER_HOME": str(self.home.root),
            "NO_COLOR": "1",
            **ports,
            **self.environ,
        }

    @property
    def home(self) -> Home:
        """The home of every command line."""
        return Home(self.folder / ".router")

    @property
    def url(self) -> str:
        """Where the gateway is to be."""
        return f"http://127.0.0.1:{self.environ['ROUTER_GATEWAY_PORT']}"

    def __call__(self, *arguments: str, more: Mapping[str, str] | None = None) -> Ran:
        """Run one command line to its end."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env={**self.environ, **(more or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start one command line and leave it running; its output is piped."""
        return subprocess.Popen(
            [*PROGRAM, *arguments],
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def stop(self) -> None:
        """End whatever runs in the home."""
        self("down")
