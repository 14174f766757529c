"""Whether there is a `.router/` folder."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """No folder: nothing was ever set up here, or it was deleted."""
    root = context.home.root
    if root.exists() or root.is_symlink():
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "There is no `.router/` folder",
        f"`{root}` does not exist",
        fix="router bootstrap",
    )


def mend(context: Context) -> str:
    """Make the folders."""
    context.home.create()
    return f"made `{context.home.root}`, private to you"


CHECK = Check("home.missing", "the `.router/` folder", examine, mend, depends_on=("supervisor.homeless",))
