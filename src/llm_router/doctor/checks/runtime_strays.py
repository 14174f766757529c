"""What an interrupted command left behind."""

import shutil
from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.supervisor_lock import taken

OLD = 60.0  # seconds; a younger file may still be being written


def examine(context: Context) -> Finding | None:
    """Half an installation of LiteLLM, and new files that never got their name."""
    with taken(_lock(context)) as mine:
        found = _strays(context) if mine else []
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "An interrupted command left something behind",
        f"`{found[0]}` was never finished",
        evidence=shown([str(path) for path in found]),
        fix="router doctor --fix runtime.strays",
    )


def mend(context: Context) -> str:
    """Remove them, while no bootstrap is at work."""
    with taken(_lock(context)) as mine:
        found = _strays(context) if mine else []
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return f"removed {', '.join(f'`{path.name}`' for path in found) or 'nothing'}"


def _lock(context: Context) -> Path:
    return context.home.runtime / "bootstrap.lock"


def _strays(context: Context) -> list[Path]:
    home, now = context.home, context.machine.wall()
    folders = [*home.runtime.glob("litellm.new-*"), *home.runtime.glob("litellm.old-*")]
    if not home.translator_environment.exists():
        folders = []  # a finished one among them is taken into use by `bootstrap`
    files = [path for folder in (home.root, home.keys, home.runtime) for path in folder.glob(".*.new")]
    return sorted([*folders, *(path for path in files if now - _changed(path, now) > OLD)])


def _changed(path: Path, otherwise: float) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return otherwise


CHECK = Check(
    "runtime.strays",
    "what an interrupted command left behind",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.unwritable"),
)
