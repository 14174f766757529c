"""How the outcome of `router profile set` reads."""

from pathlib import Path

from llm_router.cli.views.profile import problem_lines, progress_line, switched_lines
from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.control.activation import Activation, State, Switched, compiled
from llm_router.home import Home

HOME = Home(Path("/h"))


def outcome(applied):
    settings = decode(decode_text("config_version: 3\n", "f"), HOME.config).settings
    return Switched(Activation(compiled(settings, "cost")[0], State("cost", "balanced", 7, "")), applied)


def test_lines_with_something_running():
    """What runs and took it is listed after the files."""
    lines = list(switched_lines(HOME, outcome({"translator_replaced": True, "problems": []})))

    assert lines == [
        "profile=cost",
        "active_config=/h/runtime/litellm.active.yaml",
        "state_file=/h/runtime/state.json",
        "generation=7",
        "applied=yes",
        "gateway:configured",
        "litellm:replaced",
    ]
    assert list(switched_lines(HOME, outcome({})))[-1] == "litellm:kept"


def test_problems():
    """What the gateway could not do, with what to run."""
    problems = [{"code": "c", "message": "The secret `env:A` is not set", "hint": "Run x"}, {"message": "m"}, 7]

    assert list(problem_lines(outcome({"problems": problems}))) == ["The secret `env:A` is not set (Run x)", "m"]
    assert list(problem_lines(outcome(None))) == []


def test_progress():
    """One line for each step."""
    assert progress_line({"unit": "litellm", "state": "starting", "reason": "loads"}) == "  litellm starting: loads"
    assert progress_line({"unit": "litellm", "state": "ready", "reason": ""}) == "  litellm ready"
