"""Whether LiteLLM's environment holds the packages of the lock, all of them and nothing else."""

from llm_router.doctor.checks.litellm_missing import BEFORE, DIRECT
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.reinstall import reinstall
from llm_router.translator.integrity import distribution_problems
from llm_router.translator.launch import site_packages


def examine(context: Context) -> Finding | None:
    """Missing packages, other versions, further packages."""
    if not context.home.translator_environment.is_dir():
        return None
    found = list(distribution_problems(site_packages(context.home.translator_environment)))
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "LiteLLM's packages are not those of the lock",
        found[0],
        evidence=shown(found),
        fix="router doctor --fix litellm.packages",
        unharmed=DIRECT,
    )


CHECK = Check(
    "litellm.packages",
    "LiteLLM's packages against the lock",
    examine,
    reinstall,
    depends_on=(*BEFORE, "litellm.missing", "litellm.known_bad"),
)
