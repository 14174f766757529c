"""Units that outlived their supervisor."""

import asyncio

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.supervisor_lock import taken
from llm_router.supervisor import leftovers
from llm_router.supervisor.identity import group_members


def examine(context: Context) -> Finding | None:
    """Recorded by pid and start time, still alive, and nobody there who would look after them."""
    with taken(context.home.supervisor_lock) as mine:
        if not mine:
            return None
    living = [
        (unit, identity)
        for unit, identity in leftovers.read(leftovers.path_of(context.home))
        if identity.alive() or (group_members(identity.pid) and not _reused(identity.pid))
    ]
    if not living:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Units outlived their supervisor",
        f"{len(living)} process{'es' if len(living) > 1 else ''} of a supervisor that was killed still run",
        evidence=shown([f"{unit}: pid {identity.pid}" for unit, identity in living]),
        fix="router doctor --fix runtime.orphans",
        unharmed="`router up` ends them too",
    )


def mend(context: Context) -> str:
    """End them, as the holder of the supervisor's lock."""
    with taken(context.home.supervisor_lock) as mine:
        ended = asyncio.run(leftovers.end_leftovers(context.home)) if mine else []
    return f"ended {', '.join(f'{one.unit} (pid {one.identity.pid})' for one in ended) or 'nothing'}"


def _reused(pid: int) -> bool:
    return any(member.pid == pid for member in group_members(pid))


CHECK = Check(
    "runtime.orphans", "units that outlived their supervisor", examine, mend, depends_on=("supervisor.silent",)
)
