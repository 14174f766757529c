"""Variables that look like llm-router's and are none."""

from difflib import get_close_matches

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

FURTHER = ("ROUTER_HOME", "ROUTER_CONFIG")
PREFIX = "ROUTER_"


def examine(context: Context) -> Finding | None:
    """A misspelt variable overrides nothing, silently."""
    from llm_router.config.environment import VARIABLES

    known = [*(variable.name for variable in VARIABLES), *FURTHER]
    unknown = sorted(name for name in context.environ if name.startswith(PREFIX) and name not in known)
    # only what is nearly a name of ours: other programs are called `router`, too
    found = [(name, near[0]) for name in unknown if (near := get_close_matches(name, known, n=1, cutoff=0.8))]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "A variable overrides nothing",
        f"{found[0][0]} is no variable of llm-router's",
        evidence=shown([f"{name}: did you mean {near}?" for name, near in found]),
        fix=f"unset {found[0][0]}",
    )


CHECK = Check("environment.unknown", "misspelt ROUTER_ variables", examine)
