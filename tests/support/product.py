"""The installed product in a home of its own: its command line, run as a person runs it, and what it says in JSON."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.home import Home
from support.translator import give

ROUTER = Path(sys.executable).with_name("router")
LONGEST_COMMAND = 240.0  # seconds: a bootstrap with nothing cached on a busy machine


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now, all different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()


def package_environment() -> dict[str, str]:
    """How this machine gets packages, and its cache of them: an empty HOME must not fetch LiteLLM again."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "uv"
    held = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_CERT_"))}
    proxies = {name: os.environ[name] for name in ("HTTPS_PROXY", "https_proxy") if name in os.environ}
    return {"UV_CACHE_DIR": str(cache), **held, **proxies}


@dataclass(slots=True)
class Product:
    """One home under `folder`, with a gateway on `port` and LiteLLM's door on `translator_port`.

    `prefix` stands before every command line, `environment` is added to a clean one; `said` keeps each command with
    what it printed.
    """

    folder: Path
    port: int
    translator_port: int
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The `.router` folder."""
        return self.folder / ".router"

    @property
    def person(self) -> Path:
        """The HOME of who runs the commands."""
        return self.folder / "person"

    @property
    def base_url(self) -> str:
        """Where clients reach the gateway, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The local client key."""
        return (self.home / "keys" / "local.key").read_text().strip()

    def configure(self, document: Mapping[str, Any]) -> None:
        """Write router.yaml: the ports of this product, then `document`. JSON is YAML."""
        self.person.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(mode=0o700, exist_ok=True)
        ports = {"gateway": {"port": self.port}, "litellm": {"port": self.translator_port}}
        text = json.dumps({"config_version": 3, **ports, **document}, indent=2)
        (self.home / "router.yaml").write_text(text)
        (self.home / "router.yaml").chmod(0o600)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `router`, ready to run."""
        return [*self.prefix, str(ROUTER), "--home", str(self.home), *arguments]

    def environ(self) -> dict[str, str]:
        """The environment of every command: clean, with this product's own additions."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.person), "LANG": "C.UTF-8", "NO_COLOR": "1"}
        return {**clean, **package_environment(), **self.environment}

    def run(self, *arguments: str, codes: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run `router …` to its end. An exit code that is not among `codes` is an AssertionError with what it said."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.person,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_COMMAND,
            check=False,
        )
        self.said.append((f"router {' '.join(arguments)}", done.stdout + done.stderr))
        assert done.returncode in codes, self.report(arguments, done)
        return done

    def json(self, *arguments: str, codes: Sequence[int] = (0,)) -> dict[str, Any]:
        """What `router … --json` answers."""
        answer: dict[str, Any] = json.loads(self.run(*arguments, "--json", codes=codes).stdout)
        return answer

    def unit(self, name: str) -> dict[str, Any]:
        """The report of one unit, as `router status --json` gives it."""
        units: list[dict[str, Any]] = self.json("status", codes=(0, 1))["units"]
        return next(unit for unit in units if unit["unit"] == name)

    def bring_up(self) -> None:
        """`router bootstrap` over the suite's own LiteLLM environment, then `router up`."""
        give(Home(self.home))
        self.run("bootstrap")
        self.run("up")

    def take_down(self) -> None:
        """`router down`, whatever runs."""
        self.run("down", codes=(0, 1))

    def report(self, arguments: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
        """Why a command is not what a test wanted, with the ends of the logs."""
        lines = [f"router {' '.join(arguments)}: exit {done.returncode}", done.stdout, done.stderr]
        for log in sorted((self.home / "logs").glob("*.log")):
            lines += [f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-25:]]
        return "\n".join(lines)
