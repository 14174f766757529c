"""Whether the files of LiteLLM's environment are those that were published."""

from llm_router.doctor.checks.litellm_missing import BEFORE, DIRECT
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.records import changed_files
from llm_router.doctor.reinstall import reinstall
from llm_router.translator.launch import site_packages

SECONDS = 0.5  # LiteLLM's own files take most of it; what is not reached now is reached another time


def examine(context: Context) -> Finding | None:
    """LiteLLM's files by digest, all others by presence and size, and by digest as far as the time goes."""
    packages = site_packages(context.home.translator_environment)
    if not packages.is_dir():
        return None
    found = changed_files(packages, "litellm", SECONDS)
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "LiteLLM's files are not those that were published",
        f"`{found[0]}` differs from its package's record",
        evidence=shown([f"{packages / name}" for name in found]),
        fix="router doctor --fix litellm.files",
        unharmed=DIRECT,
    )


CHECK = Check(
    "litellm.files",
    "LiteLLM's files against their records",
    examine,
    reinstall,
    depends_on=(*BEFORE, "litellm.missing", "litellm.known_bad", "litellm.packages"),
    limit=20.0,
)
