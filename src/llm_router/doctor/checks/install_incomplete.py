"""Whether the packages that llm-router itself needs are installed."""

import re

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

NEEDED = (
    *("cryptography", "httptools", "httpx", "keyring", "limits", "psutil", "pydantic", "pyyaml", "redis", "rich"),
    *("ruamel-yaml", "segno", "typer", "uv", "uvicorn", "uvloop"),
)


def examine(context: Context) -> Finding | None:
    """A package without its metadata is missing, or was installed half."""
    held = {
        re.sub(r"[-_.]+", "-", folder.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
        for folder in context.machine.packages.glob("*.dist-info")
    }
    missing = [name for name in NEEDED if name not in held]
    if not missing:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "llm-router's own environment is incomplete",
        f"{len(missing)} of the packages that llm-router needs are not installed",
        evidence=shown(missing),
        fix="./scripts/quickstart.sh",
    )


CHECK = Check("install.incomplete", "the packages that llm-router itself needs", examine)
