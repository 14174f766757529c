"""Whether the file of the client keys can be read."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """It holds hashes only, which cannot be made again: nothing is mended here."""
    from llm_router.secrets.client_keys import ClientKeysDamaged, load_client_keys

    problems = load_client_keys(context.home, (), context.environ).problems
    damaged = next((problem for problem in problems if isinstance(problem, ClientKeysDamaged)), None)
    if damaged is None:
        return None
    path = context.home.keys / "clients.json"
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The client keys are damaged",
        damaged.message,
        fix=f"mv {path} {path}.damaged, then `router key create NAME` for each client",
        unharmed="The local client key works",
    )


CHECK = Check(
    "keys.damaged", "the file of the client keys", examine, depends_on=("home.missing", "home.modes", "home.owner")
)
