"""Several gateway processes behind the same doors: started, told, drained, killed and exchanged together."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from llm_router.errors import RemoteError
from llm_router.routing.plan import Plan, Upstream, Wire
from llm_router.routing.shared_state import SharedState
from llm_router.supervisor.identity import start_mark
from llm_router.testing.supervised import Supervised, plain_plan, supervised, until

SHARED = SharedState("redis://127.0.0.1:1/0")


def plan_of(workers: int, **changes: object) -> Plan:
    plan = plain_plan(state=SHARED, **changes)
    return with_workers(plan, workers)


def with_workers(plan: Plan, workers: int) -> Plan:
    return replace(plan, gateway=replace(plan.gateway, workers=workers))


def answers(held: Supervised, count: int) -> list[dict[str, object]]:
    """What so many gateways answer, each once, asked at the door until all have answered."""
    seen: dict[object, dict[str, object]] = {}

    def look() -> bool:
        body = held.ask()
        seen[body["pid"]] = body
        return len(seen) == count

    until(look, f"{count} gateways answer")
    return list(seen.values())


@contextmanager
def asking(held: Supervised) -> Iterator[list[int]]:
    """Ask all the while; a request that fails fails the test."""
    pids: list[int] = []
    over = threading.Event()
    failed: list[Exception] = []

    def ask() -> None:
        while not over.is_set() and not failed:
            try:
                pids.append(held.ask()["pid"])
            except OSError as error:
                failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield pids
    finally:
        over.set()
        thread.join()
    assert failed == []


def test_each_worker_is_a_unit_and_hears_everything(tmp_path: Path) -> None:
    """Each has a process and a log; both know LiteLLM; a new plan reaches both; `gateway` means both."""
    with supervised(tmp_path, plan_of(2)) as held:
        ready = held.client.call("wait", units=["gateway"], wait=15)
        assert [(unit["unit"], unit["ready"]) for unit in ready["units"]] == [("gateway", True), ("gateway-2", True)]
        assert {unit["pid"] for unit in ready["units"]} == {body["pid"] for body in answers(held, 2)}
        held.client.call("wait", wait=15)
        until(lambda: {body["generation"] for body in answers(held, 2)} == {1}, "both know LiteLLM")
        held.write_plan(replace(held.plan, profile="cost"))
        held.client.call("apply", wait=10)
        assert {body["profile"] for body in answers(held, 2)} == {"cost"}
        assert {Path(unit["log"]).name for unit in ready["units"]} == {"gateway.log", "gateway-2.log"}

        before = {unit["unit"]: unit["pid"] for unit in held.client.call("status")["units"]}
        restarted = held.client.call("restart", units=["gateway-2"], wait=10)["units"]
        after = {unit["unit"]: unit["pid"] for unit in held.client.call("status")["units"]}
        assert [unit["unit"] for unit in restarted] == ["gateway-2"]
        assert [name for name in before if before[name] != after[name]] == ["gateway-2"]
        restarted = held.client.call("restart", units=["gateway"], wait=10)["units"]
        assert [(unit["unit"], unit["result"]) for unit in restarted] == [
            ("gateway", "restarted"),
            ("gateway-2", "restarted"),
        ]


def test_the_door_closes_with_the_last_worker(tmp_path: Path) -> None:
    """One that is stopped leaves the door to the other."""
    with supervised(tmp_path, plan_of(2)) as held:
        held.client.call("wait", units=["gateway"], wait=15)
        held.client.call("stop", units=["gateway-2"])
        assert held.ask()["profile"] == "balanced"
        held.client.call("stop", units=["gateway"])
        with pytest.raises(OSError, match="refused"):
            held.ask()
        assert held.client.call("start", units=["gateway"], wait=10)["ready"] is True
        assert len(answers(held, 2)) == 2


def test_a_killed_worker_is_no_gap(tmp_path: Path) -> None:
    """The other serves meanwhile, and the killed one comes back."""
    with supervised(tmp_path, plan_of(2)) as held:
        held.client.call("wait", units=["gateway"], wait=15)
        victim = held.unit("gateway-2")["pid"]
        os.kill(victim, signal.SIGSTOP)  # it accepts nothing that it could take down with it
        with asking(held) as pids:
            until(lambda: len(pids) > 5, "the other answers")
            os.kill(victim, signal.SIGKILL)
            until(lambda: set(pids[-20:]) - {held.unit("gateway")["pid"]}, "its successor answers")
        assert held.unit("gateway-2")["restarts"] == 1


def test_an_old_translator_stays_while_any_worker_uses_it(tmp_path: Path) -> None:
    """In flight is what all workers have in flight."""
    with supervised(tmp_path, plan_of(2)) as held:
        held.client.call("wait", wait=15)
        until(lambda: {body["generation"] for body in answers(held, 2)} == {1}, "both know LiteLLM")
        before = held.unit("litellm")["pid"]
        note = held.home.runtime / "in_flight.json"
        note.write_text(json.dumps({"1": 1}))
        held.write_plan(replace(held.plan, translator=replace(held.plan.translator, digest="second")))
        held.client.call("apply", wait=10)
        assert {body["generation"] for body in answers(held, 2)} == {2}
        assert start_mark(before) is not None
        note.unlink()
        until(lambda: start_mark(before) is None, "the old one is gone")


def test_the_number_follows_the_plan_without_a_failed_request(tmp_path: Path) -> None:
    """More start beside those that run, surplus ones finish and go."""
    with supervised(tmp_path, plan_of(1)) as held:
        held.client.call("wait", wait=15)
        first = held.unit("gateway")["pid"]
        with asking(held):
            held.write_plan(with_workers(held.plan, 3))
            held.client.call("apply", wait=10)
            assert held.client.call("wait", units=["gateway"], wait=10)["ready"] is True
            pids = {unit["pid"] for unit in held.client.call("status")["units"] if unit["unit"] != "litellm"}
            assert {body["pid"] for body in answers(held, 3)} == pids
            assert {body["generation"] for body in answers(held, 3)} == {1}
            held.write_plan(with_workers(held.plan, 1))
            held.client.call("apply", wait=10)
            assert [unit["unit"] for unit in held.client.call("status")["units"]] == ["gateway", "litellm"]
        assert held.unit("gateway")["pid"] == first
        assert all(start_mark(pid) is None for pid in pids - {first})


def test_a_variable_that_a_new_plan_names_reaches_every_worker(tmp_path: Path) -> None:
    """All are exchanged, and nobody is refused meanwhile."""
    environ = {**os.environ, "NEW_ACCOUNT_KEY": "canary"}
    with supervised(tmp_path, plan_of(2), environ=environ) as held:
        held.client.call("wait", units=["gateway"], wait=15)
        before = {body["pid"] for body in answers(held, 2)}
        upstream = Upstream("new", "openai", "https://api.example.com/v1", (Wire.CHAT,), key="env:NEW_ACCOUNT_KEY")
        with asking(held):
            held.write_plan(replace(held.plan, upstreams={"new": upstream}))
            held.client.call("apply", wait=10)
        after = answers(held, 2)
        assert all("NEW_ACCOUNT_KEY" in body["variables"] for body in after)
        assert before.isdisjoint(body["pid"] for body in after)


def test_the_state_cannot_change_under_those_who_count_in_it(tmp_path: Path) -> None:
    """A worker that counts in memory beside one that counts in Redis would let too much through."""
    with supervised(tmp_path, plain_plan()) as held:
        held.client.call("wait", units=["gateway"], wait=15)
        held.write_plan(replace(with_workers(held.plan, 2), state=SHARED))
        with pytest.raises(RemoteError) as refusal:
            held.client.call("apply", wait=5)
        assert refusal.value.code == "supervisor.restart_needed"
        assert refusal.value.message == "A running router cannot take over a change of `state`"
        assert [unit["unit"] for unit in held.client.call("status")["units"]] == ["gateway", "litellm"]
