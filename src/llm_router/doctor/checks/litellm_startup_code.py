"""Code that Python would run at every start of LiteLLM, and that no package of the lock put there."""

from llm_router.doctor.checks.litellm_missing import BEFORE, DIRECT
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.reinstall import reinstall
from llm_router.translator.integrity import KNOWN_PTH
from llm_router.translator.launch import site_packages

CUSTOMIZERS = ("sitecustomize.py", "usercustomize.py", "sitecustomize", "usercustomize")


def examine(context: Context) -> Finding | None:
    """Any `.pth` that is not known, whatever it holds: that is how a thief came in before."""
    packages = site_packages(context.home.translator_environment)
    found = [str(path) for path in sorted(packages.glob("*.pth")) if path.name not in KNOWN_PTH]
    found += [str(packages / name) for name in CUSTOMIZERS if (packages / name).exists()]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Unknown code runs at every start of LiteLLM",
        f"`{found[0]}` would run at every start and belongs to no package",
        evidence=shown(found),
        fix="router down && router bootstrap",
        unharmed=DIRECT,
    )


CHECK = Check(
    "litellm.startup_code",
    "`.pth` and `sitecustomize` in LiteLLM's environment",
    examine,
    reinstall,
    depends_on=(*BEFORE, "litellm.known_bad"),
)
