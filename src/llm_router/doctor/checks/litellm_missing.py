"""Whether LiteLLM's environment is there and complete."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.doctor.reinstall import install

DIRECT = "The direct lane needs no LiteLLM"
BEFORE = ("home.missing", "home.not_a_folder", "home.owner", "home.folders", "home.modes", "disk.full")


def examine(context: Context) -> Finding | None:
    """Not made, made half, made for another release, or without its Python."""
    from llm_router.translator import launch

    if not context.translates:
        return None
    problem = launch.installed_problem(context.home)
    if problem is None:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "LiteLLM cannot be started",
        problem,
        evidence=(f"`{context.home.translator_environment}`, LiteLLM {launch.locked_version()} is wanted",),
        fix="router bootstrap",
        unharmed=DIRECT,
    )


CHECK = Check("litellm.missing", "LiteLLM's environment", examine, install, depends_on=(*BEFORE, "litellm.known_bad"))
