"""Whether the secrets that the configuration names can be had."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Files and variables; keyrings are another check's, and the client key that bootstrap makes too."""
    from llm_router.doctor.references import named_secrets
    from llm_router.errors import RouterError
    from llm_router.secrets.keys import LOCAL_KEY
    from llm_router.secrets.references import Store
    from llm_router.secrets.store import resolve

    if context.loaded is None:
        return None
    found: list[tuple[str, RouterError]] = []
    for setting, reference in named_secrets(context.loaded.settings):
        # what runs has the variables of the shell that started it; the gateway itself says which it lacks
        elsewhere = reference.store is Store.KEYRING or (reference.store is Store.ENV and context.runs)
        if elsewhere or str(reference) == LOCAL_KEY:
            continue
        try:
            resolve(str(reference), home=context.home, environ=context.environ)
        except RouterError as error:
            found.append((setting, error))
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "A key that the configuration names cannot be read",
        found[0][1].message,
        evidence=shown([f"{setting}: {error.message}" for setting, error in found]),
        fix=found[0][1].hints[0].removeprefix("Run `").removesuffix("`"),
        unharmed="Accounts whose keys can be read answer",
    )


CHECK = Check(
    "secrets.unavailable",
    "the secrets that the configuration names",
    examine,
    depends_on=("config.missing", "config.invalid", "home.modes", "home.folders", "home.links"),
)
