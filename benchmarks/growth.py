"""CPU of one request against the size of everything that grows: `python -m benchmarks.growth [--seconds 2]`.

Each cell is a gateway of its own with so many models in its plan, candidates of the model asked, client keys, sessions
(each with a budget and a binding on record) or rows in its ledger. The gateways of one line run side by side and are
measured in turn, so that a busy moment of the machine hits all of them.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import psutil

from benchmarks import subjects
from benchmarks.load import session_name
from benchmarks.measures import CONNECTIONS, run_load
from llm_router.home import Home, write_private
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import Attempt, LedgerRow, session_mark
from llm_router.routing.plan import Candidate, Model, Plan
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.gateways import running_gateway
from llm_router.wire.usage import Usage

SIZES = (10, 1000, 100_000)
_ROUNDS = 5
_KEY = "benchmark"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the table: how a gateway's plan and folder are made large, and for which sizes."""

    name: str
    plan: Callable[[Plan, int], Plan] = lambda plan, _: plan
    fill: Callable[[Home, int], None] = lambda home, size: None
    sizes: tuple[int, ...] = SIZES
    has_sessions: bool = False


def models(plan: Plan, size: int) -> Plan:
    """So many aliases; the one asked is the last."""
    more = tuple(Model(f"alias-{number}", (Candidate("mock", "plain"),)) for number in range(size - 1))
    return replace(plan, models=(*more, *plan.models))


def candidates(plan: Plan, size: int) -> Plan:
    """So many accounts for the model asked."""
    held = plan.upstreams["mock"]
    upstreams = {f"mock{number}": replace(held, name=f"mock{number}") for number in range(size)}
    return replace(plan, upstreams=upstreams, models=(Model("*", tuple(Candidate(name, "*") for name in upstreams)),))


def keys(home: Home, size: int) -> None:
    """So many client keys beside the one that is used."""
    path = home.keys / "clients.json"
    held = json.loads(path.read_bytes())
    own = held["keys"][0]
    for number in range(size - 1):
        held["keys"].append({**own, "name": f"key-{number}", "sha256": sha256(f"{number}".encode()).hexdigest()})
    write_private(path, json.dumps(held).encode())


def sessions(home: Home, size: int) -> None:
    """So many sessions that have used some of their budget and are bound to an account."""
    marks = [session_mark(_KEY, session_name(number)) for number in range(size)]
    state = {
        "schema": 1,
        "journal": 0,
        "rates": {},
        "health": {},
        "turns": {},
        "sessions": [(f"{_KEY}/{mark}", 100, 1.0) for mark in marks],
        "bindings": [(mark, "mock/plain", 1.0) for mark in marks],
    }
    write_private(home.runtime / "gateway-state.json", json.dumps(state).encode())


def rows(home: Home, size: int) -> None:
    """So many earlier requests in the ledger."""
    ledger = Ledger(home.ledger)
    ledger.open()
    tried = (Attempt("mock/plain", "success", "", 200, 1.5),)
    usage = Usage(9, 0, 0, 5)
    for first in range(0, size, _BATCH):
        some = range(first, min(first + _BATCH, size))
        ledger.write_all([_row(number, tried, usage) for number in some])
    ledger.close()


def _row(number: int, tried: tuple[Attempt, ...], usage: Usage) -> LedgerRow:
    started = 1_700_000_000_000 + number
    return LedgerRow(
        trace_id=f"{started:012x}{number:020x}",
        started_ms=started,
        key=_KEY,
        session=f"{number:016x}",
        wire="chat",
        model_asked="plain",
        upstream="mock",
        model_answered="plain",
        lane="direct",
        attempts=tried,
        status=200,
        outcome="success",
        usage=usage,
    )


KINDS = (
    Kind("models in the plan", plan=models),
    Kind("candidates of the model", plan=candidates, sizes=(10, 100, 1000)),
    Kind("client keys", fill=keys),
    Kind("sessions", fill=sessions, has_sessions=True),
    Kind("ledger rows", fill=rows),
)


@contextmanager
def grown(kind: Kind, size: int, upstream: int, folder: Path) -> Iterator[subjects.Subject]:
    """A gateway with so many of one kind."""
    home = Home(folder)
    home.create()
    _, secret = create_key(home, _KEY, Wanted(limits=subjects.EVERYTHING_ON))
    kind.fill(home, size)
    plan = kind.plan(subjects.gateway_plan(upstream), size)
    environment = {"BENCHMARK_UPSTREAM_KEY": subjects.UPSTREAM_KEY}
    with running_gateway(folder, plan, environment=environment) as running:
        process = psutil.Process(running.process.pid)
        yield subjects.Subject(kind.name, "", running.port, 0.0, process, secret.reveal())


def cpu_of(subject: subjects.Subject, kind: Kind, size: int, seconds: float) -> float:
    """Microseconds of CPU for one request. Raises RuntimeError when one failed."""
    before = subject.cpu_seconds()
    named = size if kind.has_sessions else 0
    done = run_load(subject, kind="throughput", model="plain", connections=CONNECTIONS, seconds=seconds, sessions=named)
    if done["failed"]:
        raise RuntimeError(f"{done['failed']} requests failed with {size} {kind.name}")
    return (subject.cpu_seconds() - before) / done["requests"] * 1e6


def measure(kind: Kind, seconds: float, rounds: int = _ROUNDS) -> dict[int, float]:
    """The median CPU of a request, in microseconds, for each size."""
    with ExitStack() as stack:
        upstream = stack.enter_context(subjects.upstream())
        held = {}
        for size in kind.sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            held[size] = stack.enter_context(grown(kind, size, upstream, folder))
        for size, subject in held.items():
            cpu_of(subject, kind, size, seconds / 2)
        found: dict[int, list[float]] = {size: [] for size in held}
        for _ in range(rounds):
            for size, subject in held.items():
                found[size].append(cpu_of(subject, kind, size, seconds))
    return {size: statistics.median(values) for size, values in found.items()}


def main() -> None:
    """Measure every kind, or the one that is named, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--only", default="", help="a word of the line to measure")
    asked = parser.parse_args()
    print("| µs of CPU for a request, with | small | middle | large | large : small |")
    print("|---|---|---|---|---|")
    for kind in KINDS:
        if asked.only in kind.name:
            found = measure(kind, asked.seconds, asked.rounds)
            cells = " | ".join(f"{size:,}: {value:.0f}" for size, value in found.items())
            print(f"| {kind.name} | {cells} | {found[kind.sizes[-1]] / found[kind.sizes[0]]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
