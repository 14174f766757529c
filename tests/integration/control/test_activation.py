"""`profile set` against a real control socket."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from llm_router.config.default import write_default_config
from llm_router.config.load import load
from llm_router.control.activation import ActivationFailed, apply_to_running, read_state, switch_profile
from llm_router.home import Home
from llm_router.routing.plan import Plan

TAKEN = {"done": True, "ok": True, "result": {"profile": "cost", "translator_replaced": True, "problems": []}}
REFUSED = {
    "done": True,
    "ok": False,
    "error": {"code": "litellm.not_ready", "message": "LiteLLM did not become ready", "hints": [], "exit_code": 1},
}


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    write_default_config(made)
    return made


@contextmanager
def supervisor(home: Home, *lines: dict) -> Iterator[list[dict]]:
    """A control socket that answers one request with `lines`; yields what it was asked and found on disk."""
    asked: list[dict] = []
    with socket.socket(socket.AF_UNIX) as listener:
        home.supervisor_socket.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(home.supervisor_socket))
        listener.listen()
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                request = json.loads(stream.readline())
                asked.append({**request, "plan": Plan.from_json(home.plan.read_bytes()).profile})
                for line in lines:
                    stream.write(json.dumps(line).encode() + b"\n")

        thread = threading.Thread(target=serve, name="supervisor")
        thread.start()
        try:
            yield asked
        finally:
            thread.join(10)


def switch(home, profile, on_progress=None):
    settings = load(home.config, environ={}).settings
    return switch_profile(home, settings, profile, apply=partial(apply_to_running, wait=7.5, on_progress=on_progress))


def test_taken(home):
    """The supervisor is asked after the files are written; its progress and its answer arrive."""
    steps: list[object] = []
    progress = {"unit": "litellm", "state": "starting", "reason": ""}
    with supervisor(home, {"progress": progress}, TAKEN) as asked:
        outcome = switch(home, "cost", steps.append)

    assert asked == [{"op": "apply", "wait": 7.5, "plan": "cost"}]
    assert steps == [progress]
    assert outcome.applied == TAKEN["result"]


@pytest.mark.parametrize("answers", [[REFUSED], []], ids=["refused", "broken off"])
def test_not_taken(home, answers):
    """A refusal, or a supervisor that breaks off, brings the earlier profile's files back."""
    switch(home, "reliability")
    before = (home.plan.read_bytes(), home.state.read_bytes())

    with supervisor(home, *answers) as asked, pytest.raises(ActivationFailed):
        switch(home, "cost")

    assert [request["plan"] for request in asked] == ["cost"]
    assert (home.plan.read_bytes(), home.state.read_bytes()) == before
    assert read_state(home).profile == "reliability"


def test_nobody_there(home):
    """A socket that a dead supervisor left counts as nothing running."""
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(home.supervisor_socket))

    assert switch(home, "cost").applied is None
