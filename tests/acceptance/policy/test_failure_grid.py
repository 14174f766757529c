"""Each way in which an upstream fails, plain and streamed, with a backup and without: the cells of docs/failures.md."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.failure_grid import FAULTS, Cell, Fault, expected, in_messages
from support.policy import TIMEOUTS, WIRES, Account, Event, Ground, body_of, is_whole
from support.rawhttp import Line, Message, Script, answer, begin_stream, cut_at_once, scripted_upstream
from support.small_answers import OUTPUT, error_in_200
from support.sockets import closed_port

from llm_router.routing.plan import Wire

IMPATIENT = replace(TIMEOUTS, first_byte=0.6, idle=0.6)
SLOW = {"slow-headers", "slow-first-byte", "stall"}
STATUSES = (408, 401, 403, 400, 404, 413, 422, 500, 502, 503, 504, 529)
SANDBOX = {
    "429": "status=429",
    "429-retry-after": "status=429,retry_after=7",
    "slow-headers": "headers_delay=30",
    "slow-first-byte": "first_byte_delay=30",
    "cut": "cut_after=4",
    "malformed": "malformed",
    "empty": "empty",
    **{str(status): f"status={status}" for status in STATUSES},
}
QUOTA = {
    "message": "You exceeded your quota",
    "type": "insufficient_quota",
    "param": None,
    "code": "insufficient_quota",
}


@pytest.mark.parametrize("backup", [False, True], ids=["alone", "backup"])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_cell(field: Ground, fault: Fault, wire: Wire, streamed: bool, backup: bool):
    """Client, health, ledger and events are what the table says."""
    async with failing(field, fault, wire, streamed=streamed) as first:
        second = field.account()
        accounts = (first, second) if backup else (first,)
        field.configure(*accounts, timeouts=IMPATIENT if fault.name in SLOW else TIMEOUTS)
        got = await field.ask(wire, body_of(wire, f"{first.name} one two three four five six", stream=streamed))
        await field.settled()
        seen = Cell(
            client_of(wire, got, second, streamed=streamed),
            health_of(field, first),
            ledger_of(field, got),
            tuple(map(named, field.events(got))),
        )

    wanted = expected(fault, streamed=streamed, backup=backup)
    assert seen == (in_messages(wanted) if wire is Wire.MESSAGES else wanted)


@asynccontextmanager
async def failing(field: Ground, fault: Fault, wire: Wire, *, streamed: bool) -> AsyncIterator[Account]:
    """An account that fails in this way."""
    if (spec := SANDBOX.get(fault.name)) is not None:
        account = field.account()
        account.fails(spec)
        yield account
        account.recovers()
    elif fault.name == "dns":
        yield field.account("http://nobody.invalid/v1")
    elif fault.name == "tls":
        yield field.account(f"{field.sandbox_url.replace('http:', 'https:')}/v1")
    elif fault.name == "refused":
        with closed_port() as port:
            yield field.account(f"http://127.0.0.1:{port}/v1")
    else:
        async with scripted_upstream(script_of(fault, wire, streamed=streamed)) as up:
            yield field.account(f"{up.url}/v1")


def script_of(fault: Fault, wire: Wire, *, streamed: bool) -> Script:
    match fault.name:
        case "reset":
            return cut_at_once
        case "quota":
            return answer(429, json.dumps({"error": QUOTA}).encode())
        case "stall":
            return stalls(wire, streamed=streamed)
    return error_in_200(wire, streamed=streamed)


def stalls(wire: Wire, *, streamed: bool) -> Script:
    """Some of an answer, and then nothing."""

    async def play(line: Line, received: Message) -> None:
        if streamed:
            await begin_stream(line, OUTPUT[wire])
        else:
            await line.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        await line.gone()

    return play


# ── what is seen, in the table's words


def client_of(wire: Wire, got: Message, second: Account, *, streamed: bool) -> str:
    if got.status != 200:
        error = got.json()["error"]
        code = error["type"] if wire is Wire.MESSAGES else error["code"] or error["type"]
        steering = [f"{shown}: {got.header(name)}" for name, shown in STEERING if got.header(name) is not None]
        return ", ".join([f"{got.status} {code}", *steering])
    if got.header("x-router-account") == second.name:
        assert is_whole(wire, got, stream=streamed)
        return "200 from the backup"
    if streamed and is_error_event(wire, got.body):
        return "200, then the error event stream_disconnected"
    return "200, as it came"


STEERING = (("retry-after", "Retry-After"), ("x-should-retry", "x-should-retry"))


def is_error_event(wire: Wire, body: bytes) -> bool:
    """Whether a stream ends, at a clean boundary, with the router's error event."""
    last = body.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    mark = {Wire.CHAT: b'data: {"error"', Wire.RESPONSES: b"event: response.failed", Wire.MESSAGES: b"event: error"}
    return body.endswith(b"\n\n") and last.startswith(mark[wire]) and b"broke off" in last


def health_of(field: Ground, account: Account) -> str:
    row = field.health(account)
    if row["state"] == "cooling":
        return f"cooling ({row['reason']}), {row['next_chance'] + 0.5:.0f} s"
    failures = row["failures"]
    return row["state"] + (f", {failures} failure{'s' if failures > 1 else ''}" if failures else "")


def ledger_of(field: Ground, got: Message) -> str:
    row = field.row(got)
    attempts = ", ".join(" ".join(filter(None, (one["outcome"], one["reason"]))) for one in row["attempts"])
    return f"{' '.join(filter(None, (str(row['status']), row['outcome'], row['code'])))}; {attempts}"


def named(event: Event) -> str:
    return f"{event['event']} {event['reason']}" if event["event"] == "ai_provider_failover" else str(event["event"])
