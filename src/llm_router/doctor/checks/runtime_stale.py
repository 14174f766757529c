"""Files that say something runs when nothing does."""

from pathlib import Path

from llm_router.doctor.context import Context, read_json
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.supervisor_lock import taken
from llm_router.supervisor import leftovers


def examine(context: Context) -> Finding | None:
    """A supervisor that was killed could not clean up."""
    found = _left(context)
    if not found:
        return None
    pid = read_json(context.home.supervisor_identity).get("pid")
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The supervisor was killed",
        f"the supervisor{f' (pid {pid})' if pid else ''} is gone and its files are still there",
        evidence=shown([str(path) for path in found]),
        fix="router up",
        unharmed="`router up` clears them away",
    )


def mend(context: Context) -> str:
    """Remove them, as the holder of the supervisor's lock."""
    with taken(context.home.supervisor_lock) as mine:
        found = _stale_files(context) if mine else []
        for path in found:
            path.unlink(missing_ok=True)
    return f"removed {', '.join(f'`{path.name}`' for path in found) or 'nothing'}"


def _left(context: Context) -> list[Path]:
    with taken(context.home.supervisor_lock) as mine:
        return _stale_files(context) if mine else []


def _stale_files(context: Context) -> list[Path]:
    home = context.home
    places = (home.supervisor_identity, home.supervisor_socket, leftovers.path_of(home))
    return [path for path in places if path.exists() or path.is_symlink()]


CHECK = Check(
    "runtime.stale",
    "files of a supervisor that is gone",
    examine,
    mend,
    depends_on=("supervisor.silent", "runtime.orphans", "home.unwritable"),
)
