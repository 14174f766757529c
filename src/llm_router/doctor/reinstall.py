"""Making LiteLLM's environment anew when it is there and not to be trusted."""

from llm_router.doctor.context import Context
from llm_router.errors import RouterError
from llm_router.translator import launch


def install(context: Context) -> str:
    """Install LiteLLM, and have what runs start it. Raises InstallFailed, HomeError."""
    context.install(context)
    done = f"installed LiteLLM {launch.locked_version()}"
    if not context.runs:
        return done
    from llm_router.control.supervisor import SupervisorClient

    try:
        SupervisorClient(context.home).call("restart", units=["litellm"], wait=0)
    except RouterError:
        return f"{done}; `router service restart litellm` takes it into use"
    return f"{done} and started it"


def reinstall(context: Context) -> str:
    """Take its mark away, so that it counts as unfinished, and install. Raises InstallFailed, HomeError.

    It stays unmarked when that fails: what was tampered with is not started.
    """
    (context.home.translator_environment / launch.MARKER).unlink(missing_ok=True)
    return install(context)
