"""A program that writes a ledger, run by the tests beside it: `ledger_writer.py LEDGER MODE [NAME] [COUNT]`.

forever  commits rows named NAME-0, NAME-1, … and prints each name when its row is committed, until it is killed
count    commits COUNT rows and prints the ledger's state
slow     commits a row, then one for each line it reads, printing the state and how long it took; `end` ends it
limited  writes rows while no file may grow over NAME bytes, then without that limit
"""

import json
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from llm_router.journal.ledger import Ledger, LedgerOptions
from llm_router.journal.ledger_row import Attempt, LedgerRow
from llm_router.wire.usage import Usage

QUICK = LedgerOptions(pause=0.05, most_waiting=100_000, busy_ms=50)


def row(name: str) -> LedgerRow:
    attempts = (Attempt("openai/gpt-5", "success", "", 200, 1.0),)
    return LedgerRow(
        trace_id=name,
        started_ms=int(time.time() * 1000),
        attempts=attempts,
        outcome="success",
        usage=Usage(10, output=2),
    )


def state(ledger: Ledger) -> dict[str, object]:
    return {"problem": ledger.problem(), "lost": ledger.lost, "waiting": ledger.waiting}


def say(what: object) -> None:
    sys.stdout.write((what if isinstance(what, str) else json.dumps(what)) + "\n")
    sys.stdout.flush()


def wait_for(done: Callable[[], bool], seconds: int = 60) -> None:
    pause = threading.Event()
    for _ in range(seconds * 20):
        if done():
            return
        pause.wait(0.05)


def forever(ledger: Ledger, name: str, _count: int) -> None:
    number = 0
    while True:
        if ledger.write(row(f"{name}-{number}")):
            say(f"{name}-{number}")
        number += 1


def count(ledger: Ledger, name: str, most: int) -> None:
    for number in range(most):
        ledger.write(row(f"{name}-{number}"))
    wait_for(lambda: ledger.waiting == 0)
    wait_for(lambda: ledger.problem() is None)
    say(state(ledger))


def slow(ledger: Ledger, name: str, _count: int) -> None:
    ledger.write(row(f"{name}-first"))
    say(state(ledger))
    for number, line in enumerate(sys.stdin):
        if line.strip() == "end":
            break
        before = time.perf_counter()
        ledger.write(row(f"{name}-{number}"))
        say({**state(ledger), "seconds": time.perf_counter() - before})
    wait_for(lambda: ledger.problem() is None, seconds=2)
    say(state(ledger))


def limited(ledger: Ledger, largest: str, _count: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), hard))
    asked = written = 0
    while ledger.waiting < 200 and asked < 20_000:
        written += ledger.write(row(f"x-{asked}"))
        asked += 1
    full = state(ledger)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    wait_for(lambda: ledger.problem() is None)
    say({"asked": asked, "written": written, "full": full, "end": state(ledger)})


def main() -> None:
    path, mode, *more = sys.argv[1:]
    ledger = Ledger(Path(path), QUICK)
    ledger.open()
    name = more[0] if more else ""
    most = int(more[1]) if len(more) > 1 else 0
    {"forever": forever, "count": count, "slow": slow, "limited": limited}[mode](ledger, name, most)
    ledger.close()


if __name__ == "__main__":
    main()
