"""What one gateway's state leaves on disk: a checkpoint now and then, and a journal of what came after it.

    runtime/gateway-state.json           everything at one moment, replaced as a whole; `journal` is the number of the
                                         first journal that is newer
    runtime/gateway-state.<n>.journal    a line for every counted request, every charge and every change of health,
                                         written before the request goes on

The journal makes a kill harmless: what the kernel has been given outlives the process. Its lines hold totals, not
differences, so reading one twice changes nothing. A checkpoint is encoded in small slices between requests and written
by a thread; one is due after some seconds, and never takes more than a fiftieth of the time.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from json.encoder import encode_basestring_ascii as as_json
from pathlib import Path
from typing import Any, Protocol

from llm_router.home import FILE_MODE, Home, HomeError, write_private
from llm_router.routing.health import Health, State
from llm_router.state.port import OnEvent, no_event
from llm_router.state.roll import Roll

CHECKPOINT_SCHEMA = 1
INTERVAL = 10.0  # seconds between two checkpoints, when anything changed
_SHARE = 50  # at least so many times the last checkpoint's own duration lies between two
_JOURNAL = re.compile(r"gateway-state\.(\d+)\.journal")


class Charged(Protocol):
    """What is kept of a session: its total, and when it was last used by a clock that never jumps."""

    charged: int
    used_at: float


@dataclass(slots=True, eq=False)
class Binding:
    """What is kept of a binding: the candidate, and when it was last used."""

    name: str
    used_at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What was left: `rates` are moments since the epoch, idle times are seconds, not counting time not running.

    Rows of `sessions` are (label, charged, idle), of `bindings` (session, candidate, idle).
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    sessions: Sequence[tuple[str, int, float]] = ()
    bindings: Sequence[tuple[str, str, float]] = ()


def _nothing(kept: Kept) -> None:
    """Adopt nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be kept: `small` gives all but sessions and bindings at one moment, the rolls are read in slices.

    `adopt` is told what an older gateway left that ended after this one had begun.
    """

    small: Callable[[], Kept] = Kept
    adopt: Callable[[Kept], None] = _nothing
    steady: Callable[[], float] = time.monotonic
    sessions: Roll[Charged] = field(default_factory=Roll)
    bindings: Roll[Binding] = field(default_factory=Roll)


class Keeper:
    """Writes one gateway's state, and reads what the last one wrote.

    While an old gateway finishes what it has in flight, the new one only keeps a journal of its own: checkpoints are
    written by the one process that holds the lock.
    """

    def __init__(self, home: Home, *, on_event: OnEvent = no_event, interval: float = INTERVAL) -> None:
        self._folder = home.runtime
        self._path = home.runtime / "gateway-state.json"
        self._on_event = on_event
        self._interval = interval
        self._number = 0
        self._known: set[int] = set()  # journals whose lines this process has taken over, or wrote itself
        self._journal = -1
        self._lock = -1
        self._charges: list[str] = []  # lines of this turn of the event loop
        self._dirty = False
        self._torn = False  # whether the last line may have been cut by a full disk
        self._reported = False
        self._task: asyncio.Task[None] | None = None
        self._source = Source()

    def load(self) -> Kept:
        """What the last process left; a damaged checkpoint is moved aside, and what the journals hold is kept."""
        kept, first = self._read_checkpoint()
        journals = self._journals()
        self._number = max([self._number, first, *journals])
        self._known.update(journals)
        return _replayed(kept, (path for number, path in sorted(journals.items()) if number >= first))

    def start(self, source: Source) -> None:
        """Begin to write what `source` gives."""
        self._source = source
        self._owns()
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
        self._release()

    # ── the journal: called for every request, so nothing here waits or raises

    def hit(self, key: str, moment: float) -> None:
        """One request of a key was counted at `moment`, seconds since the epoch."""
        self._append(f"r {moment:.6f} {as_json(key)}\n")

    def charge(self, label: str, charged: int) -> None:
        """A session's total is `charged` now."""
        # A client has the last of its answer in a later turn of the event loop: all charges of this one go together.
        self._charges.append(f"c {charged} {as_json(label)}\n")
        if len(self._charges) == 1:
            asyncio.get_running_loop().call_soon(self._write_charges)

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
        text = f"\n{line}".encode() if self._torn else line.encode()
        try:
            self._torn = os.write(self._journal, text) < len(text)
        except OSError as error:
            self._torn = True
            self._report(error)

    def _write_charges(self) -> None:
        if self._charges:
            lines = "".join(self._charges)
            self._charges.clear()
            self._append(lines)

    def _open_journal(self) -> None:
        self._write_charges()
        self._close_journal()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        while self._journal < 0:
            self._number += 1
            path = self._folder / f"gateway-state.{self._number}.journal"
            try:
                self._journal = os.open(path, flags, FILE_MODE)
            except FileExistsError:
                continue  # another gateway's
            except OSError as error:
                self._report(error)
                return
        self._known.add(self._number)

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
        if self._lock < 0:
            if not self._owns():
                return False
            self._source.adopt(self.load())
        self._dirty = False
        self._open_journal()
        number = self._number
        # A successor that has begun already writes a journal of its own, which nobody may leave out or delete.
        first = min([number, *(self._journals().keys() - self._known)])
        pieces = [piece async for piece in _encoded(self._source, first)]
        try:
            await asyncio.to_thread(write_private, self._path, pieces)
        except HomeError as error:
            self._report(error)
            return False
        self._reported = False
        for older, path in self._journals().items():
            if older < number and older in self._known:
                path.unlink(missing_ok=True)
                self._known.discard(older)
        return True

    def _owns(self) -> bool:
        """Whether this process holds the lock; it tries to get it if not."""
        if self._lock >= 0:
            return True
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._folder / "gateway-state.lock", flags, FILE_MODE)
        except OSError as error:
            self._report(error)
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _release(self) -> None:
        self._write_charges()
        self._close_journal()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

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


async def _encoded(source: Source, number: int) -> AsyncIterator[bytes]:
    """The text of a checkpoint, in pieces, with a chance for others to run after each."""
    small, now = source.small(), source.steady()
    head = {
        "schema": CHECKPOINT_SCHEMA,
        "journal": number,
        "rates": small.rates,
        "health": {name: asdict(health) for name, health in small.health.items()},
        "turns": small.turns,
    }
    yield json.dumps(head).encode()[:-1]
    mark = ', "sessions": ['
    with source.sessions.reading() as slices:
        for some in slices:
            yield _joined(mark, [(label, held.charged, round(now - held.used_at, 3)) for label, held in some])
            mark = ", "
            await asyncio.sleep(0)
    yield (b"]" if mark == ", " else mark.encode() + b"]")
    mark = ', "bindings": ['
    with source.bindings.reading() as others:
        for bound in others:
            yield _joined(mark, [(session, held.name, round(now - held.used_at, 3)) for session, held in bound])
            mark = ", "
            await asyncio.sleep(0)
    yield (b"]}\n" if mark == ", " else mark.encode() + b"]}\n")


def _joined(mark: str, rows: Sequence[tuple[object, ...]]) -> bytes:
    return (mark + json.dumps(rows)[1:-1]).encode()


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
