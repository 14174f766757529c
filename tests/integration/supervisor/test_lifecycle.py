"""Units under a real supervisor process: start, stop, crash, hang, and what a killed supervisor leaves."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_router.errors import RemoteError
from llm_router.home import Home
from llm_router.routing.plan import Service
from llm_router.supervisor.identity import identify, start_mark
from llm_router.supervisor.launches import Commands
from llm_router.supervisor.runner import Timing
from llm_router.supervisor.sockets import free_port
from llm_router.testing import scripted
from llm_router.testing.supervised import Supervised, plain_plan, supervised, until

BROKEN = Commands(gateway=scripted.command("gateway"), translator=scripted.command("crash", "bad config on line 3"))


def service(name: str, *arguments: str, port: int | None = None, **more: object) -> Service:
    command = scripted.command("http", str(port or free_port()), *arguments)
    return Service(name, command, port=port, **more)


def gone(pid: int) -> bool:
    return start_mark(pid) is None


def test_everything_starts_in_order_and_stops(tmp_path: Path) -> None:
    """The gateway is configured, LiteLLM comes after it, and a stop ends every process."""
    with supervised(tmp_path) as held:
        ready = held.client.call("wait", units=["all"], wait=15)
        assert [(unit["unit"], unit["state"]) for unit in ready["units"]] == [
            ("gateway", "ready"),
            ("litellm", "ready"),
        ]
        answer = until(lambda: (body := held.ask())["generation"] and body, "the gateway knows LiteLLM")
        assert (answer["profile"], answer["generation"]) == ("balanced", 1)
        assert answer["translator_url"] == f"http://127.0.0.1:{held.unit('litellm')['port']}"
        pids = [unit["pid"] for unit in held.client.call("status")["units"]]
        held.client.shut_down()
        assert held.process is not None
        assert held.process.wait(10) == 0
        assert all(gone(pid) for pid in pids)
        assert not held.home.supervisor_socket.exists()
        assert not held.home.supervisor_identity.exists()
    started = [row for row in held.events() if row[0] in ("service_start", "unit_ready")]
    assert started == [
        ("service_start", "gateway", "success"),
        ("unit_ready", "gateway", "success"),
        ("service_start", "litellm", "success"),
        ("unit_ready", "litellm", "success"),
    ]
    assert [row for row in held.events() if row[0] == "service_stop"] == [
        ("service_stop", "gateway", "success"),
        ("service_stop", "litellm", "success"),
    ]


def test_stop_and_start_are_idempotent(tmp_path: Path) -> None:
    """The second of each says that there was nothing to do."""
    with supervised(tmp_path) as held:
        held.client.call("wait", wait=15)
        again = held.client.call("start", units=["litellm"], wait=10)["units"][0]
        assert again["result"] == "already-running"
        stopped = [held.client.call("stop", units=["litellm"])["units"][0]["result"] for _ in range(2)]
        assert stopped == ["success", "not-running"]
        assert until(lambda: held.ask()["generation"] is None, "the gateway knows that LiteLLM is gone")
        started = held.client.call("start", units=["litellm"], wait=10)["units"][0]
        assert (started["result"], started["state"]) == ("started", "ready")
        with pytest.raises(RemoteError) as unknown:
            held.client.call("stop", units=["litelm"])
        assert (unknown.value.code, unknown.value.exit_code) == ("usage.unknown_name", 2)
        assert unknown.value.hints == ("Did you mean `litellm`?",)


def test_a_killed_gateway_refuses_nobody(tmp_path: Path) -> None:
    """The socket stays open: whoever connects meanwhile waits, and is answered in less than a second."""
    with supervised(tmp_path) as held:
        held.client.call("wait", wait=15)
        before = until(lambda: (body := held.ask())["generation"] and body, "the gateway knows LiteLLM")
        answers: list[int] = []
        os.kill(before["pid"], signal.SIGKILL)
        threads = [threading.Thread(target=lambda: answers.append(held.ask()["pid"])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(answers) == 8
        after = held.ask()
        assert set(answers) == {after["pid"]} != {before["pid"]}
        assert after["generation"] == before["generation"]
        assert held.unit("gateway")["restarts"] == 1
        assert ("service_restart", "gateway", "success") in held.events()


def test_a_killed_translator_is_replaced_by_a_new_generation(tmp_path: Path) -> None:
    """The gateway hears at once that it is gone, and of the new one with a port and keys of its own."""
    with supervised(tmp_path) as held:
        held.client.call("wait", wait=15)
        before = until(lambda: (body := held.ask())["generation"] and body, "the gateway knows LiteLLM")
        os.kill(held.unit("litellm")["pid"], signal.SIGKILL)
        after = until(lambda: (body := held.ask())["generation"] == 2 and body, "the new generation")
        assert after["pid"] == before["pid"]
        assert after["translator_url"] != before["translator_url"]


def test_crash_loop_ends_in_failed_with_the_last_lines(tmp_path: Path) -> None:
    """A unit that never comes up is given up on; the rest runs, and `start` shows why."""
    with supervised(tmp_path, commands=BROKEN) as held:
        result = held.client.call("wait", units=["all"], wait=20)
        units = {unit["unit"]: unit for unit in result["units"]}
        assert (result["ready"], units["gateway"]["state"]) == (False, "ready")
        failed = units["litellm"]
        assert failed["reason"] == "gave up after 5 exits within 60 s, the last one with exit code 7"
        assert (failed["exit"], failed["restarts"]) == ("exit code 7", 4)
        assert failed["log_tail"] == ["bad config on line 3"] * 5
        assert failed["hints"] == ["Run `router service logs litellm`"]
        assert ("unit_failed", "litellm", "failed") in held.events()


def test_a_frozen_gateway_is_unready_then_replaced(tmp_path: Path) -> None:
    """A process that exists and does not answer is no gateway."""
    with supervised(tmp_path) as held:
        pid = held.until_state("gateway", "ready")["pid"]
        os.kill(pid, signal.SIGSTOP)
        assert "did not answer" in held.until_state("gateway", "unready")["reason"]
        until(lambda: held.ask()["pid"] != pid, "another gateway answers")
        assert gone(pid)


def test_a_frozen_unit_can_be_stopped(tmp_path: Path) -> None:
    """A stopped process is woken to hear that it shall end."""
    with supervised(tmp_path, plain_plan(services=(service("tool"),))) as held:
        pid = held.until_state("tool", "ready")["pid"]
        os.kill(pid, signal.SIGSTOP)
        assert held.client.call("stop", units=["tool"])["units"][0]["result"] == "success"
        assert gone(pid)


def test_a_deaf_unit_is_killed_with_its_children(tmp_path: Path) -> None:
    """Asked, waited for, ended: the whole group."""
    note = tmp_path / "grandchild"
    plan = plain_plan(services=(service("tool", "--ignore-term", "--grandchild", str(note)),))
    with supervised(tmp_path, plan) as held:
        held.until_state("tool", "ready")
        child = int(until(lambda: note.exists() and note.read_text(), "the grandchild runs") or 0)
        result = held.client.call("stop", units=["tool"])["units"][0]["result"]
        assert result == "success-after-kill"
        assert gone(child)


def test_a_service_waits_for_what_it_depends_on(tmp_path: Path) -> None:
    """Starting one starts what it needs, first."""
    port, switch = free_port(), tmp_path / "unready"
    switch.touch()
    base = service("base", "--unready-while", str(switch), port=port, readiness_path="/")
    plan = plain_plan(services=(service("top", depends_on=("base",)), base))
    with supervised(tmp_path, plan) as held:
        until(lambda: "answered 503" in held.unit("base")["reason"], "the reason is its answer")
        assert (held.unit("top")["state"], held.unit("top")["pid"]) == ("starting", None)
        switch.unlink()
        assert held.client.call("wait", units=["top"], wait=10)["ready"] is True
        switch.touch()
        assert held.until_state("base", "unready")["readiness_code"] == 503


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """It is no crash: the unit fails at once and says what to mend."""
    with supervised(tmp_path, plain_plan(services=(Service("tool", ("/nowhere/tool",)),))) as held:
        failed = held.until_state("tool", "failed")
        assert failed["reason"] == "`/nowhere/tool` cannot be run: no such file or directory"
        assert failed["hints"] == ["Mend `services.tool.command` in router.yaml, then run `router service start tool`"]


def test_a_killed_supervisor_leaves_nobody(tmp_path: Path) -> None:
    """On Linux the kernel ends its children; the next supervisor takes over ports, lock and socket."""
    with supervised(tmp_path) as held:
        held.client.call("wait", wait=15)
        pids = [unit["pid"] for unit in held.client.call("status")["units"]]
        assert held.process is not None
        held.process.kill()
        held.process.wait()
        assert held.process.stderr is not None
        held.process.stderr.close()
        until(lambda: all(gone(pid) for pid in pids), "its children are gone")
        held.start()
        assert held.client.call("wait", wait=15)["ready"] is True


def test_leftovers_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    """Recorded pid and start time both match: ended. Only the pid matches: left alone."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(sleeper, start_new_session=True) as ours,
        subprocess.Popen(sleeper, start_new_session=True) as stranger,
    ):
        held = prepared(tmp_path)
        mine = identify(ours.pid)
        assert mine is not None
        rows = [
            {"unit": "tool", **mine.as_json()},
            {"unit": "other", "pid": stranger.pid, "started": "long ago"},
        ]
        (held.home.runtime / "units.json").write_text(json.dumps({"units": rows}))
        try:
            held.start()
            assert ours.wait(10) == -signal.SIGTERM
            assert stranger.poll() is None
            stops = [row for row in held.events() if row[0] == "service_stop"]
            assert stops == [("service_stop", "tool", "success"), ("service_stop", "other", "stale-pid")]
        finally:
            held.end()
            stranger.kill()


def prepared(folder: Path) -> Supervised:
    held = Supervised(Home(folder / ".router"), plain_plan())
    held.write_plan(held.plan)
    return held


def test_two_supervisors_of_one_home(tmp_path: Path) -> None:
    """The second is refused, and the first does not notice."""
    with supervised(tmp_path) as held:
        first, pid = held.process, held.client.call("ping")["pid"]
        second = held.launch()
        held.process = first
        _, said = second.communicate(timeout=20)
        error = json.loads(said)
        assert (second.returncode, error["code"]) == (1, "supervisor.already_running")
        assert held.client.call("ping")["pid"] == pid


def test_a_taken_port_names_its_owner(tmp_path: Path) -> None:
    """Nothing is started, and the error says who has the port and how to choose another."""
    held = prepared(tmp_path)
    with socket.create_server(("127.0.0.1", held.plan.gateway.port)):
        process = held.launch()
        _, said = process.communicate(timeout=20)
    error = json.loads(said)
    assert (process.returncode, error["code"]) == (1, "supervisor.port_in_use")
    assert f"is in use by pid {os.getpid()}, " in error["message"]
    assert error["hints"] == ["Choose another: `gateway.port` in router.yaml, or ROUTER_GATEWAY_PORT=8318 router up"]
    assert not held.home.supervisor_socket.exists()
    assert not (held.home.runtime / "units.json").exists()


def test_logs_are_private_and_hold_no_key(tmp_path: Path) -> None:
    """What LiteLLM writes is kept, its keys are not."""
    with supervised(tmp_path) as held:
        held.client.call("wait", wait=15)
        log = held.home.log("litellm")
        assert log.stat().st_mode & 0o777 == 0o600
        assert log.read_text().endswith("with key ***\n")


def test_children_see_only_what_they_may(tmp_path: Path) -> None:
    """The gateway's environment is the allow-list, what the plan names, and its contract."""
    environ = {**os.environ, "CANARY_KEY": "canary", "LANG": "C.UTF-8"}
    with supervised(tmp_path, environ=environ) as held:
        held.until_state("gateway", "ready")
        variables = set(held.ask()["variables"])
        assert "CANARY_KEY" not in variables
        assert {"PATH", "HOME", "LANG", "LLM_ROUTER_HOME", "LLM_ROUTER_LISTEN_FDS"} <= variables


def test_signals_end_it_in_order_or_at_once(tmp_path: Path) -> None:
    """SIGTERM stops in order; a second one does not wait for a deaf unit."""
    plan = plain_plan(services=(service("tool", "--ignore-term"),))
    patient = Timing(probe_starting=0.02, stop_grace=600.0)
    with supervised(tmp_path, plan, timing=patient) as held:
        held.client.call("wait", wait=15)
        pid = held.unit("tool")["pid"]
        assert held.process is not None
        held.process.send_signal(signal.SIGTERM)
        until(lambda: ("service_stop", "litellm", "success") in held.events(), "the others are stopped")
        assert not gone(pid)
        held.process.send_signal(signal.SIGTERM)
        assert held.process.wait(10) == 0
        assert gone(pid)
