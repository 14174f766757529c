"""What one gateway's state leaves on disk: a checkpoint now and then, and a journal of what came after it.

    runtime/gateway-state.json           everything at one moment, replaced as a whole; `journal` is the number of the
                                         first journal that is newer
    runtime/gateway-state.<n>.journal    a line for every counted request, every charge and every change of health,
                                         written before the request goes on

The journal makes a kill harmless: what the kernel has been given outlives the process. Its lines hold totals, not
differences, so reading one twice changes nothing. A checkpoint is encoded in small slices between requests and written
by a thread; it is due after a few seconds, and never takes more than a twentieth of the time.
"""

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_router.home import FILE_MODE, Home, HomeError, write_private
from llm_router.routing.health import Health, State
from llm_router.state.port import OnEvent, no_event

CHECKPOINT_SCHEMA = 1
INTERVAL = 5.0  # seconds between two checkpoints, when anything changed
_SHARE = 20  # at least so many times the last checkpoint's own duration lies between two
_SLICE = 256  # rows encoded before others may run
_JOURNAL = re.compile(r"gateway-state\.(\d+)\.journal")


@dataclass(frozen=True, slots=True)
class Kept:
    """The state at one moment. `rates` are moments since the epoch; `idle` is seconds, not counting time not running.

    Rows of `sessions` are (label, charged, idle), of `bindings` (session, candidate, idle).
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    sessions: Iterable[tuple[str, int, float]] = ()
    bindings: Iterable[tuple[str, str, float]] = ()


type Source = Callable[[], Kept]


class Keeper:
    """Writes one gateway's state, and reads what the last one wrote. One process at a time may hold a folder's."""

    def __init__(self, home: Home, *, on_event: OnEvent = no_event, interval: float = INTERVAL) -> None:
        self._folder = home.runtime
        self._path = home.runtime / "gateway-state.json"
        self._on_event = on_event
        self._interval = interval
        self._number = 0
        self._journal = -1
        self._dirty = False
        self._reported = False
        self._task: asyncio.Task[None] | None = None
        self._source: Source = Kept

    def load(self) -> Kept:
        """What the last process left; a damaged checkpoint is moved aside, and what the journals hold is kept."""
        kept, first = self._read_checkpoint()
        journals = self._journals()
        self._number = max([first, *journals])
        return _replayed(kept, (path for number, path in sorted(journals.items()) if number >= first))

    def start(self, source: Source) -> None:
        """Begin to write: `source` gives the state whenever a checkpoint is due."""
        self._source = source
        self._open_journal()
        self._task = asyncio.create_task(self._run(), name="state-checkpoint")

    async def stop(self) -> None:
        """Write the last checkpoint and close."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self.checkpoint()
        self._close_journal()

    # ── the journal: called for every request, so nothing here waits or raises

    def hit(self, key: str, moment: float) -> None:
        """One request of a key was counted at `moment`, seconds since the epoch."""
        self._append(f"r {moment:.6f} {json.dumps(key)}\n")

    def charge(self, label: str, charged: int) -> None:
        """A session's total is `charged` now."""
        self._append(f"c {charged} {json.dumps(label)}\n")

    def health(self, name: str, health: Health) -> None:
        """A candidate's health changed."""
        self._append(f"h 0 {json.dumps([name, asdict(health)])}\n")

    def touched(self) -> None:
        """Something changed that only checkpoints hold."""
        self._dirty = True

    def _append(self, line: str) -> None:
        self._dirty = True
        if self._journal < 0:
            return
        try:
            os.write(self._journal, line.encode())
        except OSError as error:
            self._report(error)

    def _open_journal(self) -> None:
        self._close_journal()
        self._number += 1
        path = self._folder / f"gateway-state.{self._number}.journal"
        try:
            self._journal = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
            )
        except OSError as error:
            self._report(error)

    def _close_journal(self) -> None:
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    # ── checkpoints

    async def _run(self) -> None:
        pause = self._interval
        while True:
            await asyncio.sleep(pause)
            if not self._dirty:
                continue
            began = time.monotonic()
            await self.checkpoint()
            pause = max(self._interval, _SHARE * (time.monotonic() - began))

    async def checkpoint(self) -> bool:
        """Write everything; False when it could not be written, and the journals stay."""
        self._dirty = False
        self._open_journal()
        number, kept = self._number, self._source()
        slices = [part async for part in _encoded(kept, number)]
        try:
            await asyncio.to_thread(write_private, self._path, b"".join(slices))
        except HomeError as error:
            self._report(error)
            return False
        self._reported = False
        for older, path in self._journals().items():
            if older < number:
                path.unlink(missing_ok=True)
        return True

    def _report(self, error: Exception) -> None:
        """Say once that state is not kept; requests are served all the same."""
        if not self._reported:
            self._reported = True
            self._on_event("state_not_kept", f"The gateway's state cannot be written: {error}")

    def _journals(self) -> dict[int, Path]:
        found = ((_JOURNAL.fullmatch(path.name), path) for path in self._folder.glob("gateway-state.*.journal"))
        return {int(match[1]): path for match, path in found if match}

    def _read_checkpoint(self) -> tuple[Kept, int]:
        try:
            return _decoded(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Kept(), 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            with contextlib.suppress(OSError):
                self._path.replace(aside)
            self._on_event("state_lost", f"The gateway's state was damaged ({error}); it was moved to `{aside.name}`")
            return Kept(), 0


async def _encoded(kept: Kept, number: int) -> AsyncIterator[bytes]:
    """The text of a checkpoint, in pieces, with a chance for others to run after each."""
    head = {
        "schema": CHECKPOINT_SCHEMA,
        "journal": number,
        "rates": kept.rates,
        "health": {name: asdict(health) for name, health in kept.health.items()},
        "turns": kept.turns,
    }
    yield json.dumps(head).encode()[:-1]
    for name, rows in (("sessions", kept.sessions), ("bindings", kept.bindings)):
        yield f', "{name}": ['.encode()
        mark = ""
        for some in _sliced(rows):
            yield (mark + json.dumps(some)[1:-1]).encode()
            mark = ", "
            await asyncio.sleep(0)
        yield b"]"
    yield b"}\n"


def _sliced(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    some: list[tuple[Any, ...]] = []
    for row in rows:
        some.append(row)
        if len(some) == _SLICE:
            yield some
            some = []
    if some:
        yield some


def _decoded(held: dict[str, Any]) -> tuple[Kept, int]:
    """Raises ValueError, KeyError, TypeError or AttributeError for anything that no checkpoint looks like."""
    if held["schema"] != CHECKPOINT_SCHEMA:
        raise ValueError(f"schema {held['schema']} is not {CHECKPOINT_SCHEMA}")
    kept = Kept(
        rates={str(name): [float(moment) for moment in moments] for name, moments in held["rates"].items()},
        health={str(name): _health(value) for name, value in held["health"].items()},
        turns={str(name): int(value) for name, value in held["turns"].items()},
        sessions=[
            (str(label), max(0, int(charged)), max(0.0, float(idle))) for label, charged, idle in held["sessions"]
        ],
        bindings=[(str(session), str(name), max(0.0, float(idle))) for session, name, idle in held["bindings"]],
    )
    return kept, int(held["journal"])


def _health(value: dict[str, Any]) -> Health:
    return Health(**{**value, "state": State(value["state"])})


def _replayed(kept: Kept, journals: Iterable[Path]) -> Kept:
    """The checkpoint with every later line applied; a line that was cut by a crash of the machine is left out."""
    sessions = {label: (charged, idle) for label, charged, idle in kept.sessions}
    for path in journals:
        for line in path.read_text("utf-8", "replace").splitlines():
            kind, _, rest = line.partition(" ")
            number, _, text = rest.partition(" ")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                body = json.loads(text)
                if kind == "r":
                    kept.rates.setdefault(str(body), []).append(float(number))
                elif kind == "c":
                    sessions[str(body)] = (int(number), 0.0)
                elif kind == "h":
                    kept.health[str(body[0])] = _health(body[1])
    rows = [(label, charged, idle) for label, (charged, idle) in sessions.items()]
    return Kept(kept.rates, kept.health, kept.turns, rows, kept.bindings)
