"""Whether the compiled files can be read."""

from llm_router.control.activation import read_state
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.errors import RouterError


def examine(context: Context) -> Finding | None:
    """Only what is there can be damaged; a home where nothing was started yet has none of them."""
    home = context.home
    there = [path for path in (home.plan, home.state, home.translator_config) if path.exists()]
    if not there:
        return None
    found = [f"`{path}` is missing" for path in (home.plan, home.state) if not path.exists()]
    if home.plan.exists() and context.plan is None:
        found.append(f"`{home.plan}` is not a plan of this release")
    if home.state.exists() and not _readable_state(context):
        found.append(f"`{home.state}` is not a state of this release")
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The compiled plan is damaged",
        found[0],
        evidence=shown(found),
        fix="router up",
        unharmed="What runs keeps running with the plan it has",
    )


def mend(context: Context) -> str:
    """Compile anew, and have what runs take it."""
    from llm_router.control.startup import prepare

    prepare(context.home, context.config, context.environ, lambda line: None)
    return "compiled the configuration anew"


def _readable_state(context: Context) -> bool:
    try:
        return read_state(context.home) is not None
    except RouterError:
        return False


CHECK = Check(
    "plan.damaged",
    "the compiled files",
    examine,
    mend,
    depends_on=("config.missing", "config.invalid", "home.modes", "home.links", "home.unwritable", "home.folders"),
)
