"""The load generator: a process of its own that is told a job on stdin (JSON) and prints its result (JSON).

Jobs: `throughput` (closed loop), `paced` (open loop, so many requests a second), `streams` (so many at once).
"""

import asyncio
import itertools
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

_SENT_AT = re.compile(rb"t=(\d+);")
_LONGEST = 120.0  # seconds that any one answer may take


@dataclass(slots=True)
class Job:
    """What to do: see the module's docstring. `seconds` bounds all but streams, `limit` those."""

    kind: str
    port: int
    key: str
    model: str
    connections: int
    seconds: float
    rate: float = 0.0
    limit: float = 60.0
    sessions: int = 0  # requests take turns to name so many sessions; 0: they name none


@dataclass(slots=True)
class Timing:
    """One answer: seconds to its first token or byte, and for each token how long it was under way, in ms."""

    status: int = 0
    first: float = 0.0
    tokens: int = 0
    delays: list[float] = field(default_factory=list)


class Caller(asyncio.Protocol):
    """One keep-alive connection to the subject."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[Timing] | None = None
        self._stream = False

    def ask(self, request: bytes) -> "asyncio.Future[Timing]":
        """Send a request; the future is done when the answer is whole."""
        self._done = asyncio.get_running_loop().create_future()
        self._timing = Timing()
        self._tail = b""
        self._asked = time.monotonic_ns()
        self._transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self._timing.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        now = time.monotonic_ns()
        text = self._tail + body
        end = 0
        for match in _SENT_AT.finditer(text):
            self._timing.delays.append((now - int(match[1])) / 1e6)
            end = match.end()
        self._tail = text[end:][-64:]
        if self._timing.delays and not self._timing.first:
            self._timing.first = (now - self._asked) / 1e9

    def on_message_complete(self) -> None:
        timing = self._timing
        timing.first = timing.first or (time.monotonic_ns() - self._asked) / 1e9
        timing.tokens = len(timing.delays)
        if self._done is not None and not self._done.done():
            self._done.set_result(timing)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("the subject hung up"))


def session_name(number: int) -> str:
    """What a client calls one of its sessions."""
    return f"benchmark-{number:08d}"


def request_for(job: Job) -> bytes:
    """The bytes of one request; with sessions, `{session}` stands where a session's name goes."""
    body = json.dumps(
        {
            "model": job.model,
            "stream": job.model.startswith("stream"),
            "messages": [{"role": "user", "content": "Say hello. " * 20}],
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\nauthorization: Bearer {job.key}\r\n"
        f"content-type: application/json\r\nuser-agent: benchmark\r\naccept: */*\r\ncontent-length: {len(body)}\r\n"
    )
    head += "session-id: {session}\r\n\r\n" if job.sessions else "\r\n"
    return head.encode() + body


async def _callers(job: Job, count: int) -> list[Caller]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Caller, "127.0.0.1", job.port))[1] for _ in range(count)]


async def throughput(job: Job) -> dict[str, Any]:
    """Every connection asks again as soon as it has its answer."""
    request = request_for(job)
    callers = await _callers(job, job.connections)
    counts = {"requests": 0, "failed": 0}
    end = time.monotonic() + job.seconds
    turns = itertools.cycle(random.sample(range(job.sessions), job.sessions)) if job.sessions else None

    async def go_on(caller: Caller) -> None:
        while time.monotonic() < end:
            named = request
            if turns is not None:
                named = request.replace(b"{session}", session_name(next(turns)).encode())
            timing = await asyncio.wait_for(caller.ask(named), _LONGEST)
            counts["requests"] += 1
            counts["failed"] += timing.status != 200

    begun = time.monotonic()
    await asyncio.gather(*(go_on(caller) for caller in callers))
    return {**counts, "seconds": time.monotonic() - begun}


async def paced(job: Job) -> dict[str, Any]:
    """A request each 1/rate seconds, whether earlier ones are answered or not; latencies in ms."""
    request = request_for(job)
    idle = await _callers(job, job.connections)
    latencies: list[float] = []
    failed = 0

    async def once(caller: Caller) -> None:
        nonlocal failed
        timing = await asyncio.wait_for(caller.ask(request), _LONGEST)
        latencies.append(timing.first * 1000)
        failed += timing.status != 200
        idle.append(caller)

    tasks = []
    begun = time.monotonic()
    for number in range(int(job.rate * job.seconds)):
        await asyncio.sleep(max(0.0, begun + number / job.rate - time.monotonic()))
        caller = idle.pop() if idle else (await _callers(job, 1))[0]
        tasks.append(asyncio.get_running_loop().create_task(once(caller), name="call"))
    await asyncio.gather(*tasks)
    return {"requests": len(latencies), "failed": failed, "latencies": latencies}


async def streams(job: Job) -> dict[str, Any]:
    """So many streams at once, each on a connection of its own; times to the first token and delays in ms."""
    request = request_for(job)
    callers = await _callers(job, job.connections)
    begun = time.monotonic()
    pending = [caller.ask(request) for caller in callers]
    done, late = await asyncio.wait(pending, timeout=job.limit)
    timings = [future.result() for future in done if future.exception() is None]
    broken = [timing for timing in timings if timing.status != 200]
    return {
        "requests": len(pending),
        "failed": len(late) + len(done) - len(timings) + len(broken),
        "tokens": sum(timing.tokens for timing in timings),
        "seconds": time.monotonic() - begun,
        "firsts": [timing.first * 1000 for timing in timings],
        "delays": [delay for timing in timings for delay in timing.delays],
    }


async def main() -> None:
    """Do the job on stdin."""
    job = Job(**json.load(sys.stdin))
    result = await {"throughput": throughput, "paced": paced, "streams": streams}[job.kind](job)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    uvloop.run(main())
