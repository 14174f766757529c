"""Whether something else stands where `.router/` belongs."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """A file, or a link to nowhere."""
    root = context.home.root
    if root.is_dir() or not (root.exists() or root.is_symlink()):
        return None
    what = "a link that leads nowhere" if root.is_symlink() and not root.exists() else "not a folder"
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "`.router/` is not a folder",
        f"`{root}` is {what}",
        fix=f"mv {root} {root}.aside && router bootstrap",
    )


CHECK = Check("home.not_a_folder", "what stands where `.router/` belongs", examine, depends_on=("home.missing",))
