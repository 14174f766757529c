"""What counts as a failed start, and stopping what does not run."""

from pathlib import Path

from llm_router.control.lifecycle import TOLERATED, Outcome, down, stop
from llm_router.home import Home, write_private
from llm_router.testing.supervised import plain_plan


def unit(name: str, state: str, code: str = "") -> dict[str, object]:
    return {"unit": name, "state": state, "code": code}


def test_a_missing_litellm_is_no_failure_unless_asked_for() -> None:
    """The same-format lane runs without it."""
    gateway, litellm, tool = unit("gateway", "ready"), unit("litellm", "failed", TOLERATED), unit("tool", "failed")
    outcome = Outcome((gateway, litellm, tool))
    assert outcome.unwell == (litellm, tool)
    assert outcome.missed(["all"]) == (tool,)
    assert outcome.missed(["litellm"]) == (litellm, tool)
    assert Outcome((gateway, unit("litellm", "failed"))).missed([]) == (unit("litellm", "failed"),)


def test_nothing_runs(tmp_path: Path) -> None:
    """Stopping is done."""
    home = Home(tmp_path)
    home.create()
    write_private(home.plan, plain_plan().to_json())
    assert down(home, on_progress=print) is False
    stopped = stop(home, ["litellm"], on_progress=print).units
    assert [(one["unit"], one["result"], one["pid"]) for one in stopped] == [("litellm", "not-running", None)]
