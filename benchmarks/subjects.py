"""What is measured: nothing in between, nginx, this gateway, LiteLLM. Each a process on a free loopback port."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import psutil

from llm_router.home import Home
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Upstream, Wire
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import running_gateway
from llm_router.translator.launch import launch_spec

ROOT = Path(__file__).resolve().parent.parent
CLIENT_KEY = "sk-benchmark-client"  # opens nothing: every process here ends with the run
UPSTREAM_KEY = "sk-benchmark-upstream"
_START_SECONDS = 120.0
# Every limit is checked and counted, and none of them is ever reached.
EVERYTHING_ON = {
    "requests_per_minute": 1_000_000,
    "session_tokens": 1_000_000_000_000,
    "output_cap": 1_000_000,
    "messages": 1_000_000,
    "session_concurrency": 10_000,
    "concurrency": 10_000,
}

_NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k; client_body_temp_path body;
  proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_set_header Authorization "Bearer {key}";
    }}
  }}
}}
"""
_LITELLM = """
model_list:
  - model_name: "*"
    litellm_params: {{model: "openai/*", api_base: "http://127.0.0.1:{upstream}/v1", api_key: "{key}"}}
general_settings: {{master_key: os.environ/LITELLM_MASTER_KEY}}
litellm_settings: {{telemetry: false}}
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that answers on `port`; `process` is None where nothing stands in between."""

    name: str
    version: str
    port: int
    started_in: float
    process: psutil.Process | None
    key: str = CLIENT_KEY

    def cpu_seconds(self) -> float:
        """What the process and its children have used so far."""
        return sum(sum(member.cpu_times()[:2]) for member in self._tree())

    def memory_mib(self) -> float:
        """Resident memory of the process and its children."""
        return sum(member.memory_info().rss for member in self._tree()) / 2**20

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)] if self.process else []


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def pin(process: psutil.Process, core: int) -> bool:
    """Keep a process and its children on one core; False where that cannot be done."""
    if not hasattr(process, "cpu_affinity") or core not in process.cpu_affinity():
        return False
    for member in [process, *process.children(recursive=True)]:
        member.cpu_affinity([core])
    return True


def cores() -> tuple[int, int] | None:
    """The core for load and upstream, and the one for the subject; None with one core only."""
    if not hasattr(psutil.Process(), "cpu_affinity"):
        return None
    held = psutil.Process().cpu_affinity()
    return (held[0], held[-1]) if len(held) > 1 else None


@contextmanager
def started(
    command: list[str], environment: dict[str, str], folder: Path, **options: object
) -> Iterator[psutil.Process]:
    """A child process that is ended behind the block; its talk goes to a file in `folder`."""
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def upstream() -> Iterator[int]:
    """The mock upstream; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        descriptor = listener.fileno()
        child = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "upstream.py"), str(descriptor)], pass_fds=[descriptor]
        )
        port = int(listener.getsockname()[1])
    try:
        if held := cores():
            pin(psutil.Process(child.pid), held[0])
        yield port
    finally:
        child.terminate()
        child.wait()


@contextmanager
def direct(upstream_port: int, folder: Path) -> Iterator[Subject]:
    """The load generator against the upstream itself."""
    yield Subject("direct", "", upstream_port, 0.0, None)


@contextmanager
def nginx(upstream_port: int, folder: Path) -> Iterator[Subject]:
    """Nginx as a plain reverse proxy that sets the key."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(upstream=upstream_port, port=port, key=UPSTREAM_KEY))
    begun = time.monotonic()
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    version = (
        subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr.strip().partition("/")[2]
    )
    with started(command, {"PATH": os.environ["PATH"]}, folder) as process:
        yield Subject("nginx", version, port, _wait(port, begun), process)


def gateway_plan(upstream_port: int) -> Plan:
    """One account with a key, any model, no translator."""
    held = Upstream(
        name="mock",
        kind="openai",
        base_url=f"http://127.0.0.1:{upstream_port}/v1",
        wires=(Wire.CHAT,),
        key="env:BENCHMARK_UPSTREAM_KEY",
    )
    return Plan(
        profile="benchmark",
        gateway=GatewaySettings(),
        translator=TranslatorSettings(enabled=False),
        upstreams={"mock": held},
        models=(Model("*", (Candidate("mock", "*"),)),),
    )


@contextmanager
def gateway(upstream_port: int, folder: Path) -> Iterator[Subject]:
    """This gateway, one worker, the direct lane."""
    from importlib.metadata import version

    home = Home(folder)
    home.create()
    _, secret = create_key(home, "benchmark", Wanted(limits=EVERYTHING_ON))
    environment = {"BENCHMARK_UPSTREAM_KEY": UPSTREAM_KEY}
    begun = time.monotonic()
    with running_gateway(folder, gateway_plan(upstream_port), environment=environment) as running:
        seconds = time.monotonic() - begun
        process = psutil.Process(running.process.pid)
        yield Subject("llm-router", version("llm-router"), running.port, seconds, process, secret.reveal())


@contextmanager
def litellm(upstream_port: int, folder: Path, home: Path) -> Iterator[Subject]:
    """LiteLLM as the product starts it, from the environment that `router bootstrap` made in `home`."""
    with ExitStack() as stack:
        held = Home(home.resolve())
        port = free_port()
        spec = launch_spec(held, port=port, master_key=CLIENT_KEY, door_key="", extra_environment={})
        config = folder / "litellm.yaml"
        config.write_text(_LITELLM.format(upstream=upstream_port, key=UPSTREAM_KEY))
        command = [str(config) if word == str(held.translator_config) else word for word in spec.command]
        begun = time.monotonic()
        environment = {**spec.environment, "HOME": str(folder)}
        process = stack.enter_context(started(command, environment, folder))
        seconds = _wait(port, begun, path="/health/readiness")
        version = next(iter(held.translator_environment.glob("lib/*/site-packages/litellm-*.dist-info"))).name
        yield Subject("LiteLLM", version.removeprefix("litellm-").removesuffix(".dist-info"), port, seconds, process)


def _wait(port: int, begun: float, path: str = "") -> float:
    """Seconds until a subject answers. Raises TimeoutError."""
    opener = build_opener(ProxyHandler({}))
    while time.monotonic() - begun < _START_SECONDS:
        try:
            if path:
                opener.open(f"http://127.0.0.1:{port}{path}", timeout=5).read()
            else:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return time.monotonic() - begun
        except (OSError, URLError):
            time.sleep(0.02)
    raise TimeoutError(f"nothing answered on port {port}")
