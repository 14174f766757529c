"""How LiteLLM is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from llm_router.home import Home
from llm_router.translator import launch
from llm_router.translator.launch import LaunchSpec, installed_problem, launch_spec


def installed(root: Path) -> Home:
    """A home with what `installed_problem` looks at."""
    home = Home(root)
    environment = home.translator_environment
    metadata = launch.site_packages(environment) / f"litellm-{launch.locked_version()}.dist-info" / "METADATA"
    for path in (environment / "bin" / "python", environment / "bin" / "litellm", metadata):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (environment / launch.MARKER).write_text(f"{launch.lock_digest()}\nfingerprint\n", encoding="ascii")
    return home


def test_launch_spec(tmp_path: Path):
    """No secret on the command line, loopback by name, and an environment of its own that cannot be overridden."""
    home = Home(tmp_path)

    spec = launch_spec(
        home,
        port=41007,
        master_key="master",
        door_key="door",
        extra_environment={"AWS_REGION": "eu", "LITELLM_MODE": "DEV", "LANG": "de_DE.UTF-8", "PATH": "/evil"},
    )

    assert (
        LaunchSpec(
            command=(
                f"{tmp_path}/runtime/litellm/bin/python",
                "-I",
                f"{tmp_path}/runtime/litellm/bin/litellm",
                "--config",
                f"{tmp_path}/runtime/litellm.active.yaml",
                "--host",
                "127.0.0.1",
                "--port",
                "41007",
            ),
            cwd=tmp_path / "runtime" / "litellm-work",
            environment={
                "AWS_REGION": "eu",
                "DISABLE_ADMIN_UI": "True",
                "HOME": f"{tmp_path}/runtime/litellm-work",
                "LANG": "de_DE.UTF-8",
                "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "WARNING",
                "LITELLM_MASTER_KEY": "master",
                "LITELLM_MODE": "PRODUCTION",
                "LLM_ROUTER_DOOR_KEY": "door",
                "NO_DOCS": "True",
                "NO_REDOC": "True",
                "PATH": f"{tmp_path}/runtime/litellm/bin:/usr/local/bin:/usr/bin:/bin",
                "PYTHONNOUSERSITE": "1",
            },
        )
        == spec
    )


def test_installed(tmp_path: Path):
    """A complete environment has no problem."""
    assert installed_problem(installed(tmp_path)) is None


def test_nothing_installed(tmp_path: Path):
    """A new home has no environment."""
    assert installed_problem(Home(tmp_path)) == "LiteLLM is not installed"


@pytest.mark.parametrize(
    ("removed", "problem"),
    [
        (launch.MARKER, "LiteLLM's installation was never completed"),
        ("bin/python", "LiteLLM's environment has lost its Python or its program"),
        ("bin/litellm", "LiteLLM's environment has lost its Python or its program"),
    ],
)
def test_something_lost(tmp_path: Path, removed: str, problem: str):
    """What is gone is named."""
    home = installed(tmp_path)
    (home.translator_environment / removed).unlink()

    assert problem == installed_problem(home)


def test_another_version(tmp_path: Path):
    """An environment that holds another LiteLLM than the lock is not used."""
    home = installed(tmp_path)
    held = launch.site_packages(home.translator_environment)
    (held / f"litellm-{launch.locked_version()}.dist-info").rename(held / "litellm-1.82.8.dist-info")

    assert f"LiteLLM's environment does not hold LiteLLM {launch.locked_version()}" == installed_problem(home)


def test_another_lock(tmp_path: Path):
    """An environment of an older release is recognized by its digest."""
    home = installed(tmp_path)
    (home.translator_environment / launch.MARKER).write_text("0" * 64 + "\n", encoding="ascii")

    assert installed_problem(home) == "LiteLLM's environment was made for another release of llm-router or Python"


def test_imports_the_standard_library_only():
    """The supervisor pays for this module at its start: it brings nothing heavy with it."""
    code = (
        "import sys; import llm_router.translator.launch as l; l.lock_digest(); l.locked_version();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )

    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout

    # `.pth` files of an editable installation bring their own helpers.
    assert {"llm_router"} == {name for name in said.split() if not name.startswith(("_", "__"))}
