"""What the gateway could not take over of its plan."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Its own words, as `router health gateway` shows them."""
    found = [problem for unit in context.units for problem in unit.get("problems", ())]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The gateway runs with less than its plan",
        str(found[0]["message"]),
        evidence=shown([str(problem["message"]) for problem in found]),
        fix=str(found[0].get("hint") or "router health gateway"),
        unharmed="The accounts that are not named here answer",
    )


CHECK = Check(
    "gateway.problems",
    "what the gateway could not take over",
    examine,
    depends_on=("supervisor.silent", "secrets.unavailable", "secrets.keyring", "keys.local", "keys.damaged"),
)
