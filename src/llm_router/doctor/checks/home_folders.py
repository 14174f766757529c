"""Whether the folders inside the home are there."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """A missing one cannot hold what is to be written there."""
    home = context.home
    wanted = (home.keys, home.runtime, home.translator_folder, home.logs)
    found = [
        f"`{folder}` is not a folder" if folder.exists() else str(folder) for folder in wanted if not folder.is_dir()
    ]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Folders inside `.router/` are missing",
        f"{len(found)} of the folders that llm-router needs are not there",
        evidence=shown(found),
        fix="router bootstrap",
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
