"""Links in the home: a file that llm-router writes is never written through one."""

from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Links in the place of files that are written, and folders of secrets that lie elsewhere."""
    folders = [path for path in (context.home.keys, context.home.runtime, context.home.logs) if path.is_symlink()]
    files = _linked_files(context)
    if not folders and not files:
        return None
    found = [f"{path} -> {path.readlink()}" for path in (*files, *folders)]
    return Finding(
        CHECK.code,
        Severity.ERROR if files else Severity.WARNING,
        "A link stands in the place of a file",
        f"`{(files or folders)[0]}` is a link, and llm-router does not write through links there",
        evidence=shown(found),
        fix=f"rm {(files or folders)[0]}",
        unharmed="What a link leads to is not touched",
        mendable=bool(files),
    )


def mend(context: Context) -> str:
    """Remove the links to files; what they lead to stays."""
    found = _linked_files(context)
    for path in found:
        path.unlink()
    return f"removed the link{'s' if len(found) > 1 else ''} {', '.join(f'`{path}`' for path in found)}"


def _linked_files(context: Context) -> list[Path]:
    home = context.home
    runtime = (
        home.events,
        home.plan,
        home.state,
        home.supervisor_lock,
        home.supervisor_identity,
        home.translator_config,
    )
    logs = sorted(home.logs.glob("*.log")) if not home.logs.is_symlink() else []
    return [path for path in (*runtime, home.ledger, *logs) if path.is_symlink()]


CHECK = Check(
    "home.links", "links in the place of files", examine, mend, depends_on=("home.missing", "home.not_a_folder")
)
