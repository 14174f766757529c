"""Variables that change what Python imports."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

HARMFUL = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT")


def examine(context: Context) -> Finding | None:
    """LiteLLM is started without them; `router` itself and the supervisor are not."""
    found = [f"{name}={context.environ[name]}" for name in HARMFUL if context.environ.get(name)]
    if not found:
        return None
    names = " ".join(entry.partition("=")[0] for entry in found)
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "Variables change what Python imports",
        f"{names.replace(' ', ' and ')} may put other code in the place of llm-router's",
        evidence=shown(found),
        fix=f"unset {names}",
    )


CHECK = Check("environment.python", "variables that change what Python imports", examine)
