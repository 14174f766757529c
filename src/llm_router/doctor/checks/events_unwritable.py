"""Whether events can be written."""

import os
from datetime import UTC, datetime

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.home import explain


def examine(context: Context) -> Finding | None:
    """Opened for appending; nothing is written."""
    path = context.home.events
    if not path.exists():
        return None
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return Finding(
            CHECK.code,
            Severity.ERROR,
            "Events cannot be written",
            f"`{path}` cannot be written: {explain(error)}",
            fix=f"mv {path} {path}.aside",
            unharmed="Requests are served; what happens is not noted",
            mendable=path.is_dir(),
        )
    return None


def mend(context: Context) -> str:
    """Move what stands there aside."""
    path = context.home.events
    aside = path.with_name(f"{path.name}.aside-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    path.rename(aside)
    return f"moved what stood in the place of the event log to `{aside.name}`"


CHECK = Check(
    "events.unwritable",
    "whether events can be written",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.owner", "home.modes", "home.links", "home.unwritable"),
)
