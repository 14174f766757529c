"""Whether a supervisor runs whose home was deleted from under it."""

import os

from llm_router.doctor.context import Context, read_json
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Its command line names this folder, and what the folder says now names another process, or none."""
    known = read_json(context.home.supervisor_identity).get("pid")
    found = [pid for pid in _supervisors_of(str(context.home.root)) if pid != known]
    if not found:  # one that answers may be homeless, too: a long home's socket lies elsewhere
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "A router runs whose folder was deleted",
        f"process {found[0]} is a supervisor of `{context.home.root}`, and what it wrote there is gone",
        evidence=shown([f"pid {pid}: supervisor of `{context.home.root}`" for pid in found]),
        fix=f"kill {found[0]} && router up",
        unharmed="It serves requests with what it had read",
    )


def _supervisors_of(root: str) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            mine = process.uids().real == os.getuid()
        except psutil.Error:
            continue
        if mine and "llm_router.supervisor" in command and root in command and process.pid != os.getpid():
            found.append(process.pid)
    return sorted(found)


CHECK = Check("supervisor.homeless", "supervisors whose home was deleted", examine)
