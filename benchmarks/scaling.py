"""How workers scale: one (memory), one (Redis), two (Redis), interleaved: `python -m benchmarks.scaling --help`.

Nothing is pinned. Beside req/s stand the processor times of all who take part for one request: where load, upstream,
Redis and workers share fewer cores than they could use, req/s says more about the machine than about the gateway.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks import subjects
from benchmarks.subjects import ROOT
from llm_router.home import Home
from llm_router.routing.plan import Plan
from llm_router.routing.shared_state import SharedState
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import listener, running_gateway

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers on one door. `busy` reads the seconds of processor time that each part has used."""

    name: str
    port: int
    key: str
    workers: tuple[psutil.Process, ...]
    redis: psutil.Process | None

    def busy(self) -> list[float]:
        """Seconds of each worker, then of Redis."""
        return [_seconds(process) for process in (*self.workers, *([self.redis] if self.redis else []))]


def _seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A Redis that keeps nothing; its address and its process."""
    place = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(place), "--save", "", "--appendonly", "no"]
    with subjects.started(command, {"PATH": "/usr/bin:/usr/local/bin"}, folder) as process:
        by = time.monotonic() + 10
        while not place.exists() and time.monotonic() < by:
            time.sleep(0.02)
        yield f"unix://{place}", process


@contextmanager
def crew(
    name: str, upstream: int, folder: Path, workers: int, server: tuple[str, psutil.Process] | None
) -> Iterator[Crew]:
    """So many workers of one home behind one door."""
    with ExitStack() as stack:
        home, plan = Home(folder), subjects.gateway_plan(upstream)
        home.create()
        _, secret = create_key(home, "scaling", Wanted(limits=subjects.EVERYTHING_ON))
        if server is not None:
            state = SharedState(server[0], prefix=name.replace(" ", "-"))
            plan = replace(plan, state=state, gateway=replace(plan.gateway, workers=workers))
        doors = listener(), listener()
        for door in doors:
            stack.callback(door.close)
        running = [_worker(stack, home.root, plan, doors) for _ in range(workers)]
        yield Crew(name, doors[0].getsockname()[1], secret.reveal(), tuple(running), server[1] if server else None)


def _worker(stack: ExitStack, home: Path, plan: Plan, doors: tuple[socket.socket, socket.socket]) -> psutil.Process:
    environment = {"BENCHMARK_UPSTREAM_KEY": subjects.UPSTREAM_KEY}
    running = stack.enter_context(running_gateway(home, plan, environment=environment, doors=doors))
    return psutil.Process(running.process.pid)


def measure(held: Crew, upstream: psutil.Process, seconds: float, connections: int, loads: int) -> Numbers:
    """One round: requests a second, and microseconds of processor time for each request, by who used them."""
    job = {"port": held.port, "key": held.key, "kind": "throughput", "model": "plain", "seconds": seconds}
    before, upstream_before, began = held.busy(), _seconds(upstream), time.monotonic()
    children = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "load.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(loads)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(json.dumps({**job, "connections": connections // loads}))
        child.stdin.close()
    results = [json.loads(child.stdout.read()) for child in children if child.stdout is not None]
    for child in children:
        child.wait()
    wall = time.monotonic() - began
    used = [after - past for past, after in zip(before, held.busy(), strict=True)]
    requests = sum(result["requests"] for result in results)
    workers = used[: len(held.workers)]
    return {
        "requests_per_second": sum(result["requests"] / result["seconds"] for result in results),
        "worker_us": sum(workers) / requests * 1e6,
        "redis_us": sum(used[len(workers) :]) / requests * 1e6,
        "upstream_us": (_seconds(upstream) - upstream_before) / requests * 1e6,
        "busiest_worker_cores": max(workers) / wall,
        "idlest_worker_cores": min(workers) / wall,
        "failed": sum(result["failed"] for result in results),
    }


def main() -> int:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--loads", type=int, default=1, help="load generators that share the connections")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if shutil.which("redis-server") is None:
        parser.error("redis-server is not installed (Debian: `apt-get install redis-server`)")
    rounds: dict[str, list[Numbers]] = {}
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-"))) for _ in range(4)]
        port = stack.enter_context(subjects.upstream())
        upstream = psutil.Process().children()[-1]
        upstream.cpu_affinity(psutil.Process().cpu_affinity())
        server = stack.enter_context(redis(folders[3]))
        crews = [
            stack.enter_context(crew("one worker, memory", port, folders[0], 1, None)),
            stack.enter_context(crew("one worker, Redis", port, folders[1], 1, server)),
            stack.enter_context(crew("two workers, Redis", port, folders[2], 2, server)),
        ]
        for number in range(-1, asked.rounds):
            for held in crews:
                found = measure(held, upstream, asked.seconds, asked.connections, asked.loads)
                if number >= 0:  # the first warms up
                    rounds.setdefault(held.name, []).append(found)
                    print(held.name, {key: round(value, 2) for key, value in found.items()}, file=sys.stderr)
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in rounds.items()
    }
    for name, row in medians.items():
        print(name, "  ".join(f"{key} {value:,.2f}" for key, value in row.items()))
    if asked.json:
        asked.json.write_text(json.dumps({"medians": medians, "rounds": rounds}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
