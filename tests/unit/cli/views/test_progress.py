"""What `router up` shows, and its exit code."""

import pytest

from llm_router.cli.console import Console
from llm_router.cli.views.progress import Progress
from llm_router.control.lifecycle import TOLERATED, Outcome

READY = {"unit": "gateway", "state": "ready", "reason": "", "url": "http://127.0.0.1:8317", "profile": "balanced"}
LINE = "  gateway   ready    http://127.0.0.1:8317      balanced\n"


def test_each_unit_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    """As soon as it is ready, or at the end; LiteLLM's start is talk."""
    progress = Progress(Console())
    progress.note({**READY, "state": "starting"})
    progress.note({**READY, "unit": "litellm", "state": "starting", "url": ""})
    progress.note(READY)
    progress.note(READY)
    failed = {
        **READY,
        "unit": "litellm",
        "state": "failed",
        "code": TOLERATED,
        "reason": "not there",
        "hints": ["Run x"],
        "log": "/l",
        "log_tail": ["last"],
    }
    gateway = {**READY, "code": "", "problems": [{"message": "a key is missing", "hint": "export it"}]}
    assert progress.finish(Outcome((gateway, failed)), []) == 0
    out, err = capsys.readouterr()
    assert out == LINE + "  litellm   failed   (translator)               not there\n"
    assert err == (
        "  litellm   starting (translator); the same-format lane does not wait for it\n"
        "  last lines of /l:\n    last\nwarning: a key is missing\nhint: Run x\nhint: export it\n"
    )


def test_a_unit_that_is_not_ready_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, with its state and why."""
    progress = Progress(Console())
    late = {**READY, "state": "backoff", "reason": "exit code 1", "code": "", "hints": []}
    progress.note(late)
    assert progress.finish(Outcome((late,)), []) == 1
    assert capsys.readouterr().err == "  gateway   backoff  http://127.0.0.1:8317      exit code 1\n"
