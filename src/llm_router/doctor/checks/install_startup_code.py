"""Code that Python would run at every start of `router`, and that nobody here put there."""

from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.translator.integrity import KNOWN_PTH

OWN = ("llm_router.pth", "_llm_router.pth", "__editable__")
CUSTOMIZERS = ("sitecustomize.py", "usercustomize.py")


def examine(context: Context) -> Finding | None:
    """A `.pth` that only names folders runs nothing; one with an `import` line does."""
    packages = context.machine.packages
    found = [str(path) for path in sorted(packages.glob("*.pth")) if _runs_code(path)]
    found += [str(packages / name) for name in CUSTOMIZERS if (packages / name).exists()]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Unknown code runs at every start of llm-router",
        f"Python runs {len(found)} file{'s' if len(found) > 1 else ''} of unknown origin at every start",
        evidence=shown(found),
        fix=f"read it, then `rm {found[0]}`",
    )


def _runs_code(path: Path) -> bool:
    if path.name in KNOWN_PTH or path.name.startswith(OWN):
        return False
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return True
    return any(line.startswith(("import ", "import\t")) for line in lines)


CHECK = Check("install.startup_code", "`.pth` and `sitecustomize` in llm-router's environment", examine)
