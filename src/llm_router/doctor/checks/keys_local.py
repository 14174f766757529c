"""Whether the client key that bootstrap makes is there."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.secrets.keys import LOCAL_KEY, create_local_key


def examine(context: Context) -> Finding | None:
    """`router chat` shows it, and a gateway that asks for it lets nobody in without it."""
    from llm_router.errors import RouterError
    from llm_router.secrets.keys import read_local_key

    loaded, path = context.loaded, context.home.local_key
    if loaded is not None and LOCAL_KEY not in loaded.settings.gateway.client_keys:
        return None
    try:
        read_local_key(context.home)
    except RouterError as error:
        return Finding(
            CHECK.code,
            Severity.ERROR,
            "The local client key is not there" if not path.exists() else "The local client key cannot be used",
            error.message,
            fix="router bootstrap" if not path.exists() else f"rm {path} && router bootstrap",
            mendable=not path.exists() and not path.is_symlink(),
        )
    return None


def mend(context: Context) -> str:
    """Make a new one; clients need it."""
    create_local_key(context.home)
    return f"made a client key, `{context.home.local_key}`; clients need the new one"


CHECK = Check(
    "keys.local",
    "the client key that bootstrap makes",
    examine,
    mend,
    depends_on=("home.missing", "home.not_a_folder", "home.folders", "home.modes", "home.links", "home.owner"),
)
