"""Whether the configuration can be used."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Each problem with its file and line; or the profile that cannot be compiled."""
    from llm_router.config.problems import ConfigError, ConfigMissing
    from llm_router.control.activation import compiled
    from llm_router.errors import RouterError

    error = context.config_error
    if error is None and context.loaded is not None:
        try:
            for profile in context.loaded.settings.profiles:
                compiled(context.loaded.settings, profile)
        except RouterError as refused:
            error = refused
    if error is None or isinstance(error, ConfigMissing):
        return None
    problems = [str(problem) for problem in error.problems] if isinstance(error, ConfigError) else [error.message]
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The configuration is wrong",
        f"the configuration has {len(problems)} problem{'s' if len(problems) > 1 else ''}",
        evidence=shown(problems),
        fix="router config validate",
        unharmed="What runs keeps running: it does not read the file",
    )


CHECK = Check(
    "config.invalid",
    "whether the configuration can be used",
    examine,
    depends_on=("config.missing", "home.modes", "home.owner"),
)
