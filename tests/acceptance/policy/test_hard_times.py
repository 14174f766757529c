"""What the gateway does when its own house is in disorder: limits, prices, ledger, disk and clocks that are wrong."""

import asyncio
import json
import re
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.policy import CLIENT_KEY, Ground, body_of, ground, is_whole
from support.polling import until
from support.rawhttp import Message, ask

import llm_router
from llm_router.routing.plan import Wire
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.testing.command import RouterCommand

DAY = 86_400.0


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Ground]:
    """A gateway of the test's own."""
    with ground(tmp_path) as held:
        yield held


async def served(field: Ground, **said: Any) -> Message:
    """One request that must be answered well."""
    got = await field.ask(Wire.CHAT, body_of(Wire.CHAT, "hello there", stream=False), **said)
    assert is_whole(Wire.CHAT, got, stream=False), got
    return got


def problems(field: Ground) -> dict[str, str]:
    """What the gateway says is wrong while it runs, by code."""
    return {one["code"]: one["message"] for one in field.gateway.call("stats")["problems"]}


# ── requests that are none


async def test_a_refused_request_has_its_row_too(alone: Ground):
    """Whatever a known client sends to a call: one row each, though nobody was asked."""
    _, secret = create_key(alone.home, "narrow", Wanted(models=("only-this",)))
    alone.configure(alone.account())
    body = body_of(Wire.CHAT, "hi", stream=False)
    cases = [
        (CLIENT_KEY, b"{no json", 400, "invalid_request_error"),
        (CLIENT_KEY, body_of(Wire.CHAT, "hi", stream=False, model="nobody-has-this"), 404, "model_not_found"),
        (secret.reveal(), body, 403, "model_not_allowed"),
        (CLIENT_KEY, b" " * (33 * 1024 * 1024), 413, "request_too_large"),
    ]
    for key, sent, status, code in cases:
        got = await alone.ask(Wire.CHAT, sent, key=key)
        row = alone.row(got)
        assert (got.status, row["status"], row["outcome"], row["code"]) == (status, status, "refused", code)
        assert row["attempts"] == []
    unknown = await alone.ask(Wire.CHAT, body, key="nobody's")
    assert (unknown.status, len(alone.rows())) == (401, len(cases))


# ── limits and prices


@pytest.mark.parametrize(
    ("limit", "value"),
    [("requests_per_minute", -1), ("session_tokens", 10**30), ("concurrency", "many"), ("output_cap", 1.5)],
)
async def test_absurd_limits_let_nobody_through(alone: Ground, limit: str, value: object):
    """A limit that is none: its key is refused, never unlimited; the router's own key goes on working."""
    key = alone.key()
    path = alone.home.keys / "clients.json"
    held = json.loads(path.read_text())
    held["keys"][0]["limits"][limit] = value
    path.write_text(json.dumps(held))
    account = alone.account()
    alone.configure(account, problems=["key.store_damaged"])

    await served(alone)
    refused = await alone.ask(Wire.CHAT, body_of(Wire.CHAT, "hi", stream=False), key=key)
    assert (refused.status, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert len(account.calls()) == 1


async def test_a_missing_price_table(tmp_path: Path):
    """Without prices everything is served, no cost is made up, and it is said."""
    product = Path(llm_router.__file__).parent
    shutil.copytree(
        product, tmp_path / "src" / "llm_router", ignore=shutil.ignore_patterns("__pycache__", "prices.json")
    )
    with ground(tmp_path, PYTHONPATH=str(tmp_path / "src")) as field:
        field.configure(field.account())
        row = field.row(await served(field))
        assert (row["input"], row["output"], row["cost_usd"]) == (2, 4, None)
        assert "prices.broken" in problems(field)


# ── the ledger


async def test_a_ledger_that_another_program_locks(alone: Ground):
    """Requests are served, their rows wait and are counted; when the lock is gone they are all there."""
    alone.configure(alone.account())
    await served(alone)
    holder = sqlite3.connect(alone.home.ledger, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    waiting = [await served(alone) for _ in range(5)]
    said = problems(alone)
    holder.execute("ROLLBACK")
    holder.close()

    assert "is locked by another program; 5 rows wait in memory" in said["ledger.trouble"]
    until(lambda: problems(alone) == {}, within=10)
    assert [alone.row(got)["status"] for got in waiting] == [200] * 5


async def test_a_damaged_ledger(tmp_path: Path):
    """What is no database is moved aside, a new one is begun, and it is said."""
    home = tmp_path / ".router"
    home.mkdir(mode=0o700)
    (home / "ledger.sqlite").write_bytes(b"this is no database " * 1000)
    with ground(tmp_path) as field:
        field.configure(field.account())
        got = await served(field)
        until(lambda: len(field.rows()) == 1, within=10)
        said = problems(field)

    assert field.row(got)["status"] == 200
    assert "was damaged and is now" in said["ledger.trouble"]
    assert len(list(home.glob("ledger.sqlite.damaged-*"))) == 1


async def test_a_ledger_damaged_while_it_is_written(alone: Ground):
    """Somebody writes over the file of a running gateway: requests are served, and rows go to a new one."""
    alone.configure(alone.account())
    await served(alone)
    for path in alone.home.root.glob("ledger.sqlite*"):
        path.write_bytes(b"\0" * path.stat().st_size)
    for _ in range(3):
        await served(alone)
    until(lambda: "ledger.trouble" in problems(alone), within=10)
    last = await served(alone)
    until(lambda: was_written(alone, last), within=10)


def was_written(field: Ground, got: Message) -> bool:
    """Whether an answer's row can be read; a ledger that is being moved aside cannot be."""
    try:
        return len(field.rows("trace_id = ?", str(got.header("x-request-id")))) == 1
    except sqlite3.Error:
        return False


def test_a_full_disk_is_told_by_router_health(tmp_path: Path):
    """No byte can be written any more: requests are served, `router health` says what is lost, and it passes."""
    router = RouterCommand(tmp_path, {"ROUTER_LITELLM_ENABLED": "false"})
    try:
        assert router("up").code == 0
        pid = next(unit["pid"] for unit in router("status", "--json").json["units"] if unit["unit"] == "gateway")
        before = [ask_router(router) for _ in range(2)]
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        full = [ask_router(router) for _ in range(3)]
        said = router("health")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        until(lambda: "ledger" not in router("health").out, within=20, every=0.5)
        ids = {row["trace_id"] for row in rows_of(router)}
    finally:
        router.stop()

    assert re.search(r"The ledger cannot be written: .* 3 rows wait in memory", said.out), said
    assert re.search(r"[3-5] events could not be written", said.out), said
    assert "hint: Make room on the disk" in said.err
    assert said.code == 0
    assert ids == {*before, *full}


def ask_router(router: RouterCommand) -> str:
    """One request that must be answered; its id."""
    key = router.home.local_key.read_text().strip()
    body = body_of(Wire.CHAT, "hello", stream=False, model="router-default")
    port = int(router.environ["ROUTER_GATEWAY_PORT"])
    sent = [("authorization", f"Bearer {key}"), ("content-type", "application/json")]
    got = asyncio.run(ask(port, "POST", "/v1/chat/completions", body, sent))
    assert got.status == 200, got
    return str(got.header("x-request-id"))


def rows_of(router: RouterCommand) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"file:{router.home.ledger}?mode=ro", uri=True)
    try:
        return [{"trace_id": row[0]} for row in connection.execute("SELECT trace_id FROM requests")]
    finally:
        connection.close()


# ── clocks


@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_a_clock_that_jumps_moves_no_limit(alone: Ground, seconds: float):
    """A day forward or back: the minute is as full as it was, the budget as spent, and rows are written."""
    key = alone.key(requests_per_minute=3)
    alone.configure(alone.account())
    for _ in range(3):
        await served(alone, key=key)
    alone.clock.jump(seconds)
    refused = await alone.ask(Wire.CHAT, body_of(Wire.CHAT, "hi", stream=False), key=key)
    other = await served(alone)

    assert (refused.status, alone.row(refused)["code"]) == (429, "AI_RATE_LIMITED")
    assert 1 <= int(refused.header("retry-after") or 0) <= 60
    assert alone.row(other)["status"] == 200
    alone.clock.pass_time(61)
    await served(alone, key=key)


@pytest.mark.parametrize("spec", ["status=503", "status=429,retry_after=600", "status=401"])
async def test_a_clock_set_back_locks_no_account_out(alone: Ground, spec: str):
    """An account that waits for a moment which is now far away is tried at once, and recovers."""
    account, backup = alone.account(), alone.account()
    alone.configure(account, backup, cooldown=900.0, affinity=False)
    account.fails(spec, 3)
    for _ in range(3):
        await served(alone)
    assert alone.health(account)["availability"] == "closed"
    account.recovers()
    alone.clock.jump(-30 * DAY)
    got = await served(alone)

    assert got.header("x-router-account") == account.name
    assert alone.state(account) == ("healthy", 0)


async def test_a_clock_set_forward_shortens_a_wait_and_no_more(alone: Ground):
    """A month forward: the account is tried, and a failure is no longer a wait than before."""
    account, backup = alone.account(), alone.account()
    alone.configure(account, backup, cooldown=30.0, affinity=False)
    account.fails("status=503")
    for _ in range(3):
        await served(alone)
    alone.clock.jump(30 * DAY)
    got = await served(alone)
    account.recovers()

    assert got.header("x-router-account") == backup.name
    row = alone.health(account)
    assert row["state"] == "degraded"
    assert 0 < row["next_chance"] <= 60
