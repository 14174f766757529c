"""Whether anything can be written into the home at all."""

import os

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.home import FILE_MODE, explain


def examine(context: Context) -> Finding | None:
    """A few bytes are written beside the runtime files, and removed: only that tells a full or read-only disk."""
    probe = context.home.runtime / f".doctor.{os.getpid()}.new"
    if not context.home.runtime.is_dir():
        return None
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
        try:
            os.write(descriptor, b"\0" * 4096)
        finally:
            os.close(descriptor)
            probe.unlink()
    except FileExistsError:
        return None
    except OSError as error:
        return Finding(
            CHECK.code,
            Severity.ERROR,
            "`.router/` cannot be written",
            f"`{context.home.runtime}` cannot be written: {explain(error)}",
            fix=f"df -h {context.home.root} && ls -ld {context.home.runtime}",
            unharmed="What runs keeps running",
        )
    return None


CHECK = Check(
    "home.unwritable",
    "whether anything can be written",
    examine,
    depends_on=("home.missing", "home.not_a_folder", "home.owner", "home.modes", "home.folders", "disk.full"),
)
