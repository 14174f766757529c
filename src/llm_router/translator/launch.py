"""How LiteLLM is started, and whether its environment is there. The supervisor imports this: standard library only."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llm_router.home import Home

REQUIREMENTS = Path(__file__).with_name("requirements.lock")
# In the environment, written last: the digest of the lock that it was made from, then a fingerprint of LiteLLM's files.
MARKER = "llm-router.installed"
HOST = "127.0.0.1"
READINESS_PATH = "/health/readiness"


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A child process to be: an argument list without a secret, its folder, and its whole environment."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]


def launch_spec(
    home: Home, *, port: int, master_key: str, door_key: str, extra_environment: Mapping[str, str]
) -> LaunchSpec:
    """LiteLLM on a loopback port.

    `extra_environment` holds the variables that raw models name, and LANG, TZ and TMPDIR; it overrides nothing else.
    """
    python = interpreter(home.translator_environment)
    script = home.translator_environment / "bin" / "litellm"
    return LaunchSpec(
        # -I: neither PYTHON… variables nor a folder that a user can write to takes part in LiteLLM's imports.
        command=(
            *(str(python), "-I", str(script)),
            *("--config", str(home.translator_config)),
            *("--host", HOST, "--port", str(port)),
        ),
        cwd=home.translator_folder,
        environment={
            "LANG": "C.UTF-8",
            **extra_environment,
            **_quiet_environment(home),
            "LITELLM_MASTER_KEY": master_key,
            "LLM_ROUTER_DOOR_KEY": door_key,
        },
    )


def _quiet_environment(home: Home) -> dict[str, str]:
    return {
        "PATH": f"{home.translator_environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home.translator_folder),
        "PYTHONNOUSERSITE": "1",
        "LITELLM_MODE": "PRODUCTION",  # the default reads any `.env` file it finds
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a price list at every start
        "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
        "LITELLM_LOG": "WARNING",
        "NO_DOCS": "True",
        "NO_REDOC": "True",
        "DISABLE_ADMIN_UI": "True",
    }


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / "bin" / "python"


@cache
def lock_digest() -> str:
    """Sha256 of the locked requirements together with the Python they are installed for."""
    version = ".".join(str(part) for part in sys.version_info[:2])
    return hashlib.sha256(REQUIREMENTS.read_bytes() + version.encode()).hexdigest()


@cache
def locked_version(distribution: str = "litellm") -> str:
    """The version that the lock names for one distribution. Raises LookupError."""
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        name, separator, rest = line.partition("==")
        if separator and name.partition("[")[0] == distribution:
            return rest.split()[0]
    raise LookupError(distribution)


def installed_problem(home: Home) -> str | None:
    """Why LiteLLM cannot be started from its environment, as a phrase, or None. Reads three files; runs nothing."""
    environment = home.translator_environment
    if not environment.is_dir():
        return "LiteLLM is not installed"
    try:
        marked = (environment / MARKER).read_text(encoding="ascii").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return "LiteLLM's installation was never completed"
    if marked != lock_digest():
        return "LiteLLM's environment was made for another release of llm-router or Python"
    if not interpreter(environment).exists() or not (environment / "bin" / "litellm").is_file():
        return "LiteLLM's environment has lost its Python or its program"
    metadata = site_packages(environment) / f"litellm-{locked_version()}.dist-info" / "METADATA"
    if not metadata.is_file():
        return f"LiteLLM's environment does not hold LiteLLM {locked_version()}"
    return None


def site_packages(environment: Path) -> Path:
    """Where the packages of a virtual environment lie."""
    version = ".".join(str(part) for part in sys.version_info[:2])
    return environment / "lib" / f"python{version}" / "site-packages"
