"""Whether the configuration was changed since it was compiled."""

from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """Nothing that runs reads the configuration: a change waits for the next `profile set` or `up`."""
    from llm_router.control.activation import compiled, wanted_profile

    loaded, plan = context.loaded, context.plan
    if loaded is None or plan is None:
        return None
    wanted, translator = compiled(loaded.settings, wanted_profile(context.home, loaded.settings))
    if wanted == plan and _content(context.home.translator_config) == translator:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The configuration was changed and is not in force",
        f"what `{loaded.path}` says now is not what was compiled",
        fix="router up",
        unharmed="What runs keeps running with what was compiled",
    )


def mend(context: Context) -> str:
    """Compile, and have what runs take it."""
    from llm_router.control.startup import prepare

    prepare(context.home, context.config, context.environ, lambda line: None)
    return "compiled the configuration" + (" and put it in force" if context.runs else "")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


CHECK = Check(
    "plan.stale",
    "whether the configuration is in force",
    examine,
    mend,
    depends_on=("plan.damaged", "config.invalid", "config.missing", "home.unwritable", "home.modes"),
)
