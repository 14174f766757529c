"""Whether there is a configuration."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """Neither a router.yaml nor an older file that would be taken."""
    from llm_router.config.problems import ConfigMissing

    if not isinstance(context.config_error, ConfigMissing):
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "There is no configuration",
        f"`{context.config}` does not exist",
        fix="router bootstrap",
        unharmed="What runs keeps running: it does not read the file",
        mendable=context.config == context.home.config,
    )


def mend(context: Context) -> str:
    """Write the one that ships."""
    from llm_router.config.default import write_default_config

    write_default_config(context.home)
    return f"wrote the default configuration, `{context.home.config}`"


CHECK = Check(
    "config.missing",
    "the configuration's file",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.owner"),
)
