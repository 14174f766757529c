"""What is said about a supervisor's answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.patient import small_translator

from llm_router.control.release import release
from llm_router.doctor.checks import gateway_problems, supervisor_version, unit_failed, unit_stopped, unit_unready
from llm_router.doctor.context import Context


def answering(context: Context, *units: dict[str, Any], version: str = "") -> Context:
    """The same home with a supervisor that answers so."""
    return replace(context, _held={"status": {"supervisor": {"version": version or release()}, "units": units}})


def unit(name: str, state: str, **more: object) -> dict[str, Any]:
    """A UnitReport."""
    held = {"unit": name, "state": state, "reason": "", "since": "", "pid": None, "restarts": 0, "log": "/nowhere"}
    return {**held, "readiness_error": "", "code": "", **more}


def test_another_release(patient):
    """What runs is older than the command."""
    assert supervisor_version.examine(answering(patient.context())) is None
    found = supervisor_version.examine(answering(patient.context(), version="0.0.1"))

    assert found is not None
    assert found.cause == f"the supervisor runs release 0.0.1, this command is {release()}"


def test_a_crash_loop(patient):
    """The cause is read from the last lines; LiteLLM's missing environment is another check's."""
    log = patient.home.log("tool")
    log.write_text("Traceback\nModuleNotFoundError: No module named 'x'\n")
    failed = unit("tool", "backoff", reason="exit code 1", restarts=3, log=str(log))
    missing = unit("litellm", "failed", code="supervisor.translator_unusable")

    assert unit_failed.examine(answering(patient.context(), missing)) is None
    found = unit_failed.examine(answering(patient.context(), missing, failed))

    assert found is not None
    assert (found.title, found.cause) == ("The unit `tool` is in a crash loop", "the package `x` is not installed")
    assert found.evidence[0] == "tool: backoff, exit code 1, 3 restarts"

    small_translator(patient.home)
    assert unit_failed.examine(answering(patient.context(), missing)) is not None, "installed, and not started since"


def test_starting_is_given_time(patient):
    """A start that takes long is worth a word, a fresh one is not."""
    now = datetime.now(UTC)
    fresh = unit("litellm", "starting", since=now.isoformat())
    late = unit("litellm", "starting", since=(now - timedelta(seconds=90)).isoformat(), reason="no answer")

    assert unit_unready.examine(answering(patient.context(), fresh)) is None
    found = unit_unready.examine(answering(patient.context(), late))
    assert found is not None
    assert found.cause == "litellm: starting, no answer"


def test_stopped_and_problems(patient):
    """What was stopped by hand, and what the gateway says itself."""
    problem = {"code": "x", "message": "No key", "hint": "Run it"}
    context = answering(
        patient.context(), unit("a", "ready"), unit("b", "stopped"), unit("g", "ready", problems=[problem])
    )
    stopped, problems = unit_stopped.examine(context), gateway_problems.examine(context)

    assert stopped is not None
    assert problems is not None
    assert (stopped.evidence, problems.evidence, problems.fix) == (("b",), ("No key",), "Run it")
