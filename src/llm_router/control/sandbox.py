"""Where the sandbox is that a command means: the one that the supervisor runs, else the one started by hand."""

from llm_router.control.supervisor import SupervisorClient, SupervisorNotRunning
from llm_router.home import Home

BY_HAND = "http://127.0.0.1:8320"
UNIT = "sandbox"


def find_sandbox(home: Home) -> str:
    """The base URL, without `/v1`. Raises SupervisorSilent, RemoteError."""
    try:
        answer = SupervisorClient(home).call("status", timeout=5.0)
    except SupervisorNotRunning:
        return BY_HAND
    urls = [unit["url"] for unit in answer["units"] if unit["unit"] == UNIT and unit["ready"]]
    return str(urls[0]).rstrip("/") if urls and urls[0] else BY_HAND
