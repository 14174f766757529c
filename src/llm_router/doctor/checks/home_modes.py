"""Whether the folders and files of the home are private."""

import stat
from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.home import FILE_MODE, FOLDER_MODE


def examine(context: Context) -> Finding | None:
    """Open keys are an error, because they are not used; too open or too closed anything else is a warning."""
    found = _wrong(context)
    if not found:
        return None
    keys = [path for path, _, _ in found if path.parent == context.home.keys]
    path, held, wanted = found[0]
    return Finding(
        CHECK.code,
        Severity.ERROR if keys or not held & stat.S_IRUSR else Severity.WARNING,
        "`.router/` is not private",
        f"`{path}` has mode {held:o} and should have {wanted:o}",
        evidence=shown([f"{path}: mode {held:o}, should be {wanted:o}" for path, held, wanted in found]),
        fix=f"chmod {wanted:o} {path}",
        unharmed="A key that others may read is not used" if keys else "",
    )


def mend(context: Context) -> str:
    """Give each its mode."""
    found = _wrong(context)
    for path, _, wanted in found:
        path.chmod(wanted)
    return f"set the mode of {', '.join(f'`{path.name}`' for path, _, _ in found)}"


def _wrong(context: Context) -> list[tuple[Path, int, int]]:
    """Path, mode and the mode it should have, folders first: a closed folder hides what is in it."""
    home = context.home
    found = _differing([home.root, home.keys, home.runtime, home.translator_folder, home.logs], FOLDER_MODE)
    files = [home.config, home.ledger, home.events, home.plan, home.state, home.supervisor_identity]
    for folder in (home.keys, home.logs):
        try:
            files += sorted(path for path in folder.iterdir() if path.is_file())
        except OSError:
            continue
    return found + _differing(files, FILE_MODE)


def _differing(paths: list[Path], wanted: int) -> list[tuple[Path, int, int]]:
    found = []
    for path in paths:
        try:
            held = path.lstat().st_mode
        except OSError:
            continue
        mode = stat.S_IMODE(held)
        regular = stat.S_ISDIR(held) if wanted == FOLDER_MODE else stat.S_ISREG(held)
        # who closes a key or the configuration further, against writing, does so on purpose
        closed = mode == stat.S_IRUSR and path.suffix in (".key", ".yaml")
        if regular and mode != wanted and not closed:
            found.append((path, mode, wanted))
    return found


CHECK = Check(
    "home.modes",
    "the modes of folders and files",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.owner"),
)
