"""`router sandbox` as a person runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llm_router.testing.processes import free_listener, running_sandbox

ROUTER = Path(sys.executable).with_name("router")


def router(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROUTER, "--home", str(home), "sandbox", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """A sandbox for the commands that ask one."""
    with running_sandbox() as url:
        yield url


def test_it_runs_in_the_foreground(tmp_path: Path):
    """The address is the result, the advice is talk, and Ctrl-C ends it."""
    with subprocess.Popen(
        [ROUTER, "--home", str(tmp_path), "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        url = child.stdout.readline().strip()
        answer = httpx.post(f"{url}/v1/responses", json={"input": "hi"}, trust_env=False)
        child.send_signal(signal.SIGINT)
        rest, talk = child.communicate(timeout=20)

    assert answer.json()["output"][0]["content"][0]["text"] == "you said: hi"
    assert (child.returncode, rest) == (130, "")
    assert f'rehearsal: {{kind: sandbox, base_url: "{url}"}}' in talk
    assert "Traceback" not in talk


def test_faults_are_switched(tmp_path: Path, sandbox: str):
    """On, shown, struck, and off."""
    on = router(tmp_path, "fault", "retry_after=7", "--count", "2", "--only", "wire=responses", "--url", sandbox)
    struck = httpx.post(f"{sandbox}/v1/responses", json={"input": "hi"}, trust_env=False)
    shown = router(tmp_path, "fault", "--json", "--url", sandbox)
    off = router(tmp_path, "fault", "--clear", "--url", sandbox)

    assert (on.returncode, on.stdout, on.stderr) == (
        0,
        "retry_after=7  2 more requests  only wire=responses\n",
        "",
    )
    assert (struck.status_code, struck.headers["retry-after"]) == (429, "7")
    rule = {"spec": "retry_after=7", "count": 2, "left": 1, "match": {"wire": "responses"}}
    assert json.loads(shown.stdout) == {"schema": 1, "faults": [rule]}
    assert (off.returncode, off.stdout) == (0, "no fault is on\n")


def test_what_was_received(tmp_path: Path, sandbox: str):
    """The newest first, as lines and as JSON."""
    httpx.delete(f"{sandbox}/sandbox/requests", trust_env=False)
    assert router(tmp_path, "requests", "--url", sandbox).stdout == "nothing was received\n"
    httpx.post(f"{sandbox}/v1/responses", json={"model": "m"}, headers={"x-sandbox-fault": "empty"}, trust_env=False)

    line = router(tmp_path, "requests", "--url", sandbox).stdout
    listed = json.loads(router(tmp_path, "requests", "--limit", "1", "--json", "--url", sandbox).stdout)
    assert line.split(maxsplit=1)[1] == "200  POST /v1/responses  m  completed, 0 chunks  [empty]\n"
    assert [(one["path"], one["fault"]) for one in listed["requests"]] == [("/v1/responses", "empty")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fault", "bogus"], 2, "error: There is no fault `bogus`; known: status, "),
        (["fault", "empty", "--only", "path=/"], 2, "error: `--only` wants `model=NAME` or `wire=NAME`"),
        (["fault", "--url", "ftp://x"], 2, "error: `ftp://x` is no address of a sandbox"),
        (["fault", "--url", "http://127.0.0.1:1"], 1, "error: No sandbox answers at http://127.0.0.1:1"),
        (["--host", "192.0.2.1"], 1, "error: The sandbox asks for no key"),
        (["--port", "70000"], 2, "error: invalid value for '--port'"),
    ],
)
def test_wrong_command_lines(tmp_path: Path, sandbox: str, arguments: list[str], code: int, said: str):
    """One sentence, an exit code, and nothing on stdout."""
    more = [] if "--url" in arguments or arguments[0] != "fault" else ["--url", sandbox]
    done = router(tmp_path, *arguments, *more)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)


def test_a_taken_port_names_its_owner(tmp_path: Path):
    """Pid and command of who has it, and how to choose another."""
    with free_listener() as listener:
        port = listener.getsockname()[1]
        done = router(tmp_path, "--port", str(port))

    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f"error: The sandbox cannot listen on port {port} of 127.0.0.1: it is in use by pid {os.getpid()}"
        in done.stderr
    )
    assert "hint: Choose another port: `router sandbox --port 0` takes a free one" in done.stderr


def test_the_help_lists_the_faults(tmp_path: Path):
    """The table that parses them is the table that explains them."""
    from llm_router.sandbox.faults import explain

    shown = router(tmp_path, "fault", "--help").stdout

    assert all(f"  {line}\n" in shown for line in explain().splitlines())
