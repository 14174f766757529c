"""Making LiteLLM's environment anew when it is there and not to be trusted."""

from llm_router.doctor.context import Context
from llm_router.translator import launch


def reinstall(context: Context) -> str:
    """Take its mark away, so that it counts as unfinished, and install. Raises InstallFailed, HomeError.

    It stays unmarked when that fails: what was tampered with is not started.
    """
    (context.home.translator_environment / launch.MARKER).unlink(missing_ok=True)
    context.install(context)
    return f"made LiteLLM's environment anew, LiteLLM {launch.locked_version()}"
