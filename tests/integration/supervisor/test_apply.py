"""A new plan under a running supervisor: what is exchanged, what is kept, and what is refused."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest

from llm_router.errors import RemoteError
from llm_router.routing.plan import Plan, Service, Upstream, Wire
from llm_router.supervisor.identity import start_mark
from llm_router.supervisor.launches import Commands
from llm_router.supervisor.sockets import free_port
from llm_router.testing import scripted
from llm_router.testing.supervised import Supervised, plain_plan, supervised, until


def ready(held: Supervised) -> dict[str, object]:
    """Wait until LiteLLM is known to the gateway; its unit."""
    held.client.call("wait", wait=15)
    until(lambda: held.ask()["generation"], "the gateway knows LiteLLM")
    return held.unit("litellm")


def with_translator(plan: Plan, **changes: object) -> Plan:
    return replace(plan, translator=replace(plan.translator, **changes))


def test_a_plan_with_the_same_translator_only_configures(tmp_path: Path) -> None:
    """Neither process changes; the gateway has the new plan when `apply` returns."""
    with supervised(tmp_path) as held:
        before, gateway = ready(held), held.ask()["pid"]
        held.write_plan(replace(held.plan, profile="cost"))
        applied = held.client.call("apply", wait=10)
        assert applied == {"profile": "cost", "translator_replaced": False, "problems": []}
        answer = held.ask()
        assert (answer["profile"], answer["pid"], answer["generation"]) == ("cost", gateway, 1)
        assert held.unit("litellm")["pid"] == before["pid"]


def test_a_new_digest_exchanges_the_translator_without_a_gap(tmp_path: Path) -> None:
    """The new one is ready before the old one goes, and no request sees a gateway without one."""
    with supervised(tmp_path) as held:
        before = ready(held)
        seen: list[object] = []
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                seen.append(held.ask()["generation"])

        watcher = threading.Thread(target=watch)
        watcher.start()
        held.write_plan(with_translator(replace(held.plan, profile="cost"), digest="second"))
        applied = held.client.call("apply", wait=10)
        over.set()
        watcher.join()
        assert applied["translator_replaced"] is True
        assert set(seen) <= {1, 2}
        assert (held.ask()["profile"], held.ask()["generation"]) == ("cost", 2)
        after = held.unit("litellm")
        assert after["state"] == "ready"
        assert after["pid"] != before["pid"]
        until(lambda: start_mark(int(str(before["pid"]))) is None, "the old one is gone")


def test_the_old_translator_stays_while_it_has_requests(tmp_path: Path) -> None:
    """It is stopped once the gateway says that nothing of its generation is in flight."""
    with supervised(tmp_path) as held:
        before = ready(held)
        note = held.home.runtime / "in_flight.json"
        note.write_text(json.dumps({"1": 1}))
        held.write_plan(with_translator(held.plan, digest="second"))
        held.client.call("apply", wait=10)
        assert held.ask()["generation"] == 2
        assert start_mark(int(str(before["pid"]))) is not None
        note.unlink()
        until(lambda: start_mark(int(str(before["pid"]))) is None, "the old one is gone")


def test_a_translator_that_never_comes_changes_nothing(tmp_path: Path) -> None:
    """Plan, LiteLLM and profile stay in force, and the error shows its last lines."""
    switch = tmp_path / "unready"
    commands = Commands(
        gateway=scripted.command("gateway"),
        translator=scripted.command("http", "--unready-while", str(switch)),
    )
    with supervised(tmp_path, commands=commands) as held:
        before = ready(held)
        switch.touch()
        held.write_plan(with_translator(replace(held.plan, profile="cost"), digest="second"))
        with pytest.raises(RemoteError) as failure:
            held.client.call("apply", wait=1)
        assert failure.value.code == "supervisor.translator_not_ready"
        assert failure.value.unharmed == "The plan and the LiteLLM from before are still in force"
        assert failure.value.causes()[0].startswith("its last lines: serves ")
        switch.unlink()
        assert (held.ask()["profile"], held.ask()["generation"]) == ("balanced", 1)
        assert held.until_state("litellm", "ready")["pid"] == before["pid"]


def test_applies_that_wait_are_one(tmp_path: Path) -> None:
    """While one runs, those who ask share the next: the plan on disk is what is in force at the end."""
    with supervised(tmp_path) as held:
        ready(held)
        held.write_plan(with_translator(held.plan, digest="second"))
        callers = [threading.Thread(target=held.client.call, args=("apply",), kwargs={"wait": 10}) for _ in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
        assert held.ask()["generation"] == 2
        exits = [row for row in held.events() if row[:2] == ("service_stop", "litellm")]
        assert exits == [("service_stop", "litellm", "success")]


@pytest.mark.parametrize("setting", ["gateway.host", "gateway.port", "litellm.port"])
def test_an_address_needs_a_restart(tmp_path: Path, setting: str) -> None:
    """A door cannot be moved under its clients: the error says what to run."""
    with supervised(tmp_path) as held:
        ready(held)
        kept = held.plan
        changed = {
            "gateway.host": replace(kept, gateway=replace(kept.gateway, host="::1")),
            "gateway.port": replace(kept, gateway=replace(kept.gateway, port=free_port())),
            "litellm.port": with_translator(kept, port=free_port()),
        }[setting]
        held.write_plan(replace(changed, profile="cost"))
        with pytest.raises(RemoteError) as refusal:
            held.client.call("apply", wait=5)
        assert refusal.value.code == "supervisor.restart_needed"
        assert refusal.value.message == f"A running router cannot take over a change of `{setting}`"
        assert refusal.value.hints == ("Run `router down && router up`",)
        held.plan = kept
        assert held.ask()["profile"] == "balanced"


def test_a_damaged_plan_changes_nothing(tmp_path: Path) -> None:
    """What runs keeps running."""
    with supervised(tmp_path) as held:
        ready(held)
        held.home.plan.write_text("{")
        with pytest.raises(RemoteError) as refusal:
            held.client.call("apply", wait=5)
        assert refusal.value.code == "supervisor.no_plan"
        assert (held.ask()["profile"], held.ask()["generation"]) == ("balanced", 1)


def test_the_translator_is_switched_off_and_on(tmp_path: Path) -> None:
    """Off, the unit is gone; on again, it comes back behind the same door."""
    with supervised(tmp_path) as held:
        before = ready(held)
        on = held.plan
        held.write_plan(with_translator(on, enabled=False, digest=""))
        held.client.call("apply", wait=10)
        assert held.ask()["generation"] is None
        assert [unit["unit"] for unit in held.client.call("status")["units"]] == ["gateway"]
        assert start_mark(int(str(before["pid"]))) is None
        held.write_plan(on)
        held.client.call("apply", wait=10)
        until(lambda: held.ask()["generation"] == 2, "a new LiteLLM")


def test_services_follow_the_plan(tmp_path: Path) -> None:
    """Changed ones are restarted, new ones started, dropped ones stopped, the others left alone."""
    kept, changed, dropped, new = (
        Service(name, scripted.command("http", str(free_port()))) for name in ("kept", "changed", "dropped", "new")
    )
    with supervised(tmp_path, plain_plan(services=(kept, changed, dropped))) as held:
        ready(held)
        pids = {name: held.unit(name)["pid"] for name in ("kept", "changed", "dropped")}
        other = replace(changed, command=scripted.command("http", str(free_port())))
        held.write_plan(replace(held.plan, services=(kept, other, new)))
        held.client.call("apply", wait=10)
        held.client.call("wait", wait=10)
        units = {unit["unit"]: unit for unit in held.client.call("status")["units"]}
        assert set(units) == {"gateway", "litellm", "kept", "changed", "new"}
        assert units["kept"]["pid"] == pids["kept"]
        assert units["changed"]["pid"] != pids["changed"]
        assert (units["new"]["state"], start_mark(pids["dropped"])) == ("ready", None)


def test_a_plan_that_needs_the_sandbox_gets_it(tmp_path: Path) -> None:
    """Its address is known to the gateway with the plan that names it."""
    with supervised(tmp_path) as held:
        ready(held)
        upstream = Upstream("sandbox", "sandbox", "unit://sandbox", (Wire.CHAT,))
        held.write_plan(replace(held.plan, upstreams={"sandbox": upstream}))
        held.client.call("apply", wait=10)
        held.client.call("wait", units=["sandbox"], wait=10)
        sandbox = held.unit("sandbox")
        assert sandbox["state"] == "ready"
        assert held.ask()["endpoints"] == {"sandbox": sandbox["url"]}


def test_a_variable_that_a_new_plan_names_reaches_the_gateway(tmp_path: Path) -> None:
    """A gateway that sees it takes over on the same socket; nobody is refused, and both lanes are as before."""
    environ = {**os.environ, "NEW_ACCOUNT_KEY": "canary", "OTHER_KEY": "canary"}
    with supervised(tmp_path, environ=environ) as held:
        ready(held)
        before = held.ask()
        upstream = Upstream("new", "openai", "https://api.example.com/v1", (Wire.CHAT,), key="env:NEW_ACCOUNT_KEY")
        held.write_plan(replace(held.plan, upstreams={"new": upstream}))
        held.client.call("apply", wait=10)
        after = held.ask()
        assert sorted(set(after["variables"]) - set(before["variables"])) == ["NEW_ACCOUNT_KEY"]
        assert (after["generation"], after["pid"] == before["pid"]) == (before["generation"], False)
        assert start_mark(before["pid"]) is None
        os.kill(after["pid"], signal.SIGKILL)
        assert held.ask()["variables"] == after["variables"]


def test_a_restart_keeps_the_door_open(tmp_path: Path) -> None:
    """Who connects while the gateway is restarted waits."""
    with supervised(tmp_path) as held:
        ready(held)
        answers: list[int] = []
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                answers.append(held.ask()["pid"])

        watcher = threading.Thread(target=watch)
        watcher.start()
        until(lambda: answers, "the old one answers")
        result = held.client.call("restart", units=["gateway"], wait=10)
        until(lambda: answers and answers[-1] == result["units"][0]["pid"], "the new one answers")
        over.set()
        watcher.join()
        assert len(set(answers)) == 2
        assert result["units"][0]["result"] == "restarted"


def test_a_stopped_gateway_refuses_at_once(tmp_path: Path) -> None:
    """Nobody is kept waiting at a door that nobody will open; a start opens it again."""
    with supervised(tmp_path) as held:
        ready(held)
        held.client.call("stop", units=["gateway"])
        with pytest.raises(URLError) as refused:
            held.ask()
        assert isinstance(refused.value.reason, ConnectionRefusedError)
        assert held.client.call("start", units=["gateway"], wait=10)["ready"] is True
        until(lambda: held.ask()["generation"] == 1, "the gateway knows LiteLLM")


def test_hangup_signal_applies(tmp_path: Path) -> None:
    """SIGHUP takes the plan on disk; a plan that cannot be taken is an event."""
    with supervised(tmp_path) as held:
        ready(held)
        held.write_plan(replace(held.plan, profile="cost"))
        assert held.process is not None
        held.process.send_signal(signal.SIGHUP)
        until(lambda: held.ask()["profile"] == "cost", "the new plan")
        held.home.plan.write_text("{")
        held.process.send_signal(signal.SIGHUP)
        until(lambda: ("apply", "", "failed") in held.events(), "the event")
        assert held.ask()["profile"] == "cost"
