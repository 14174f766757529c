"""What the whole suite shares: the `needs` marker."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parent / "clients"


def _program(name: str) -> Callable[[], bool]:
    return lambda: (CLIENTS / "node_modules" / ".bin" / name).exists() and shutil.which("node") is not None


@cache
def _may_make_networks() -> bool:
    ways = (["unshare", "--net", "true"], ["unshare", "--map-root-user", "--net", "true"])
    tools = all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip"))
    return tools and any(subprocess.run(way, capture_output=True, check=False).returncode == 0 for way in ways)


# thing -> whether it is there, and how to get it.
THINGS: dict[str, tuple[Callable[[], bool], str]] = {
    "sdk": (
        lambda: (CLIENTS / ".venv-sdk" / "bin" / "python").exists(),
        "UV_PROJECT_ENVIRONMENT=tests/clients/.venv-sdk uv sync --locked --only-group clients",
    ),
    "node": (lambda: shutil.which("node") is not None, "install Node 20 or newer"),
    "aimock": (_program("llmock"), "npm ci --prefix tests/clients"),
    "codex": (_program("codex"), "npm ci --prefix tests/clients"),
    "claude": (_program("claude"), "npm ci --prefix tests/clients"),
    "keyring": (
        lambda: all(shutil.which(tool) for tool in ("dbus-run-session", "gnome-keyring-daemon")),
        "apt-get install dbus dbus-daemon gnome-keyring",
    ),
    "redis": (lambda: shutil.which("redis-server") is not None, "apt-get install redis-server"),
    "netns": (_may_make_networks, "run as a user that may make network namespaces (unshare, nsenter, ip)"),
}


# What measures itself against the clock, or fills the machine by itself: the suite runs it one test at a time.
ALONE = (
    "acceptance/test_",
    "acceptance/policy/test_under_fire",
    "clients/",
    "integration/gateway/test_cost",
    "integration/gateway/test_workers",
    "integration/state/",
    "integration/supervisor/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs alone."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(ALONE):
            item.add_marker(pytest.mark.alone)


def _everything_must_run() -> bool:
    return os.environ.get("LLM_ROUTER_CI") == "1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met; where everything must run (`LLM_ROUTER_CI=1`) that is a failure."""
    for marker in item.iter_markers("needs"):
        for thing in marker.args:
            there, remedy = THINGS[thing]
            if there():
                continue
            if _everything_must_run():
                pytest.fail(f"needs {thing}: {remedy}", pytrace=False)
            pytest.skip(f"needs {thing}: {remedy}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything must run, a skip for whatever reason ends the suite with a failure."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if _everything_must_run() and reporter is not None and (skipped := reporter.stats.get("skipped")):
        reporter.write_line(f"\nerror: {len(skipped)} skipped, and LLM_ROUTER_CI=1 wants everything run", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
