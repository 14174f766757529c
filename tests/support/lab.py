"""The laboratory of the client tests: one router, six upstreams that speak one wire each, and the SDK probe."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.namespace import Network
from support.product import ROUTER, Product

HERE = Path(__file__).parents[1] / "clients"
LLMOCK = HERE / "node_modules" / ".bin" / "llmock"
SDK_PYTHON = HERE / ".venv-sdk" / "bin" / "python"
WIRES = ("chat", "responses", "messages")
UPSTREAM_KEY = "sk-lab-upstream-key"
LONGEST_PROBE = 300.0  # seconds

Line = dict[str, Any]


@dataclass(slots=True)
class Lab:
    """The router, the network it runs in, and what the SDK probe said so far."""

    product: Product
    network: Network
    mock_url: str
    probed: dict[tuple[str, ...], list[Line]] = field(default_factory=dict)

    def probe(self, *arguments: str) -> list[Line]:
        """Run the SDK probe against the gateway; the same arguments are run once a session."""
        if arguments not in self.probed:
            self.probed[arguments] = self._probe(arguments)
        return self.probed[arguments]

    def cell(self, backend: str, client: str, upstream: str, cell: tuple[str, str]) -> Line:
        """One cell of the grid: `cell` is task and mode."""
        every_wire = [argument for wire in WIRES for argument in ("--wire", wire)]
        lines = self.probe("--model", f"{backend}-{upstream}", *every_wire)
        return next(line for line in lines if (line["wire"], line["task"], line["mode"]) == (client, *cell))

    def inside(self, *command: str, **environment: str) -> str:
        """What a command prints that runs in the router's network, with more variables if wanted."""
        done = subprocess.run(
            [*self.network.prefix, *command],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout

    def _probe(self, arguments: tuple[str, ...]) -> list[Line]:
        done = subprocess.run(
            [
                *self.network.prefix,
                *(str(SDK_PYTHON), str(HERE / "sdk_probe.py")),
                *("--base-url", self.product.base_url, *arguments),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.product.person),
                "LLM_ROUTER_PROBE_KEY": self.product.key,
            },
            capture_output=True,
            text=True,
            timeout=LONGEST_PROBE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def configuration(sandbox_port: int, mock_port: int) -> dict[str, Any]:
    """Three upstreams that speak one wire each, once from our sandbox and once from a mock that others wrote."""
    services: dict[str, Any] = {
        "upstreams": {
            "command": [str(ROUTER), "sandbox", "--port", str(sandbox_port)],
            "port": sandbox_port,
            "readiness_path": "/healthz",
        }
    }
    roots = {"sandbox": {wire: f"http://127.0.0.1:{sandbox_port}/only/{wire}/v1" for wire in WIRES}}
    if LLMOCK.exists():
        listen = ["-p", str(mock_port), "-h", "127.0.0.1"]
        rest = ["-f", str(HERE / "aimock.json"), "--strict", "--log-level", "warn"]
        services["aimock"] = {
            "command": [str(LLMOCK), *listen, *rest],
            "port": mock_port,
            "environment": {"AIMOCK_API_KEYS": "env:LAB_UPSTREAM_KEY"},  # it refuses every other key
        }
        roots["aimock"] = dict.fromkeys(WIRES, f"http://127.0.0.1:{mock_port}/v1")
    providers = {
        f"{backend}-{wire}": {
            "kind": "anthropic" if wire == "messages" else "openai",
            "base_url": root,
            "wires": [wire],
            "key": "env:LAB_UPSTREAM_KEY",
        }
        for backend, by_wire in roots.items()
        for wire, root in by_wire.items()
    }
    models = {name: f"{name}/{name}" for name in providers}
    return {"services": services, "providers": providers, "models": models}
