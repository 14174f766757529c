"""How the outcome of `router profile set` reads."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from llm_router.home import Home

if TYPE_CHECKING:
    from llm_router.control.activation import Switched


def switched_lines(home: Home, outcome: "Switched") -> Iterator[str]:
    """`field=value` lines: what is in force, where it is written, and what of that which runs took it."""
    yield f"profile={outcome.activation.state.profile}"
    yield f"active_config={home.translator_config}"
    yield f"state_file={home.state}"
    yield f"generation={outcome.activation.state.generation}"
    if outcome.applied is None:
        yield "applied=no (nothing runs)"
    else:
        yield "applied=yes"
        yield "gateway:configured"
        if outcome.activation.plan.translator.enabled:
            yield "litellm:replaced" if outcome.applied.get("translator_replaced") else "litellm:kept"


def problem_lines(outcome: "Switched") -> Iterator[str]:
    """What the gateway could not do of the new plan, with what to run, e.g. about a key that is missing."""
    problems = (outcome.applied or {}).get("problems")
    for problem in problems if isinstance(problems, list) else ():
        if isinstance(problem, Mapping):
            hint = f" ({problem['hint']})" if problem.get("hint") else ""
            yield f"{problem.get('message', '')}{hint}"


def progress_line(step: Mapping[str, object]) -> str:
    """One line of talk while units are being replaced."""
    reason = f": {step['reason']}" if step.get("reason") else ""
    return f"  {step.get('unit', '')} {step.get('state', '')}{reason}"
