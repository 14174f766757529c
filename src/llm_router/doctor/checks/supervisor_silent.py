"""Whether the supervisor answers."""

from llm_router.doctor.context import Context, read_json
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.doctor.supervisor_lock import held_by_another


def examine(context: Context) -> Finding | None:
    """It holds its lock, or its socket takes the connection, and no answer comes."""
    from llm_router.control.supervisor import SupervisorNotRunning

    silence = context.silence
    locked = held_by_another(context.home)
    if silence is None or (isinstance(silence, SupervisorNotRunning) and not locked):
        return None
    held = read_json(context.home.supervisor_identity)
    pid = held.get("pid", "PID")
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The supervisor does not answer",
        f"a supervisor holds `{context.home.root}` and does not answer",
        evidence=(silence.message, f"it noted its pid as {pid}", *_stopped(pid)),
        fix=f"kill -CONT {pid}; if it stays silent: kill -9 {pid} && router up",
        unharmed="The gateway answers without it, as long as it lives itself",
    )


def _stopped(pid: object) -> tuple[str, ...]:
    import psutil

    try:
        stopped = psutil.Process(int(str(pid))).status() == psutil.STATUS_STOPPED
    except (psutil.Error, ValueError):
        return ()
    return (f"process {pid} is stopped (SIGSTOP)",) if stopped else ()


CHECK = Check(
    "supervisor.silent",
    "whether the supervisor answers",
    examine,
    depends_on=("home.missing", "home.not_a_folder", "home.owner"),
)
