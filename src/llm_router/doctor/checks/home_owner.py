"""Whether everything in the home belongs to who runs it."""

import os
from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """A `sudo router …` leaves files that their user cannot write."""
    found = [str(path) for path in _looked_at(context.home.root) if _owner(path) not in (os.getuid(), None)]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Parts of `.router/` belong to another user",
        f"`{found[0]}` belongs to another user",
        evidence=shown(found),
        fix=f"sudo chown -R $(id -u) {context.home.root}",
    )


def _looked_at(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    near = sorted(root.iterdir())
    return [root, *near, *(path for name in ("keys", "runtime", "logs") for path in sorted(root.glob(f"{name}/*")))]


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


CHECK = Check("home.owner", "who owns what is in `.router/`", examine, depends_on=("home.missing", "home.not_a_folder"))
