"""Whether the folders inside the home are there."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """A missing one cannot hold what is to be written there."""
    home = context.home
    wanted = (home.keys, home.runtime, home.translator_folder, home.logs)
    found = [folder for folder in wanted if not folder.is_dir()]
    blocked = [folder for folder in found if folder.exists() or folder.is_symlink()]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Folders inside `.router/` are missing",
        f"{len(found)} of the folders that llm-router needs are not there",
        evidence=shown([f"{folder}{' is not a folder' if folder in blocked else ''}" for folder in found]),
        fix="router bootstrap" if not blocked else f"mv {blocked[0]} {blocked[0]}.aside && router bootstrap",
        mendable=not blocked,
    )


def mend(context: Context) -> str:
    """Make them."""
    made = context.home.create()
    return f"made {', '.join(f'`{folder}`' for folder in made) or 'nothing'}"


CHECK = Check(
    "home.folders",
    "the folders inside `.router/`",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.owner"),
)
