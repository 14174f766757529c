"""What is known of a home when nothing runs."""

from pathlib import Path

import pytest

from llm_router.control.release import release
from llm_router.control.runtime import (
    RuntimeReport,
    choose,
    idle_units,
    permission_issues,
    read_runtime,
    version_hint,
)
from llm_router.errors import UnknownName
from llm_router.home import Home, write_private
from llm_router.routing.plan import Service, Upstream, Wire
from llm_router.testing.supervised import plain_plan


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a plan that has every kind of unit."""
    held = Home(tmp_path / ".router")
    held.create()
    upstreams = {"sandbox": Upstream("sandbox", "sandbox", "unit://sandbox", (Wire.CHAT,))}
    plan = plain_plan(upstreams=upstreams, services=(Service("tool", ("tool",)),))
    write_private(held.plan, plan.to_json())
    return held


def test_an_idle_home(home: Home) -> None:
    """All units of its plan, stopped."""
    report = read_runtime(home)
    assert (report.supervisor, report.profile, report.updated_at) == (None, "unknown", "unknown")
    assert [(unit["unit"], unit["state"]) for unit in report.units] == [
        ("gateway", "stopped"),
        ("sandbox", "stopped"),
        ("tool", "stopped"),
        ("litellm", "stopped"),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_a_damaged_plan_has_no_units(home: Home, content: bytes) -> None:
    """`status` is an answer whatever the files hold."""
    home.plan.write_bytes(content)
    assert idle_units(home) == []


def test_choose(home: Home) -> None:
    """By name, `all`, or everything; a wrong name names the right ones, nearest first."""
    report = read_runtime(home)
    assert [unit["unit"] for unit in choose(report, ["tool", "gateway"])] == ["gateway", "tool"]
    assert choose(report, []) == choose(report, ["all"]) == report.units
    with pytest.raises(UnknownName) as unknown:
        choose(report, ["litelm"])
    assert unknown.value.known[0] == "litellm"


def test_permission_issues(home: Home) -> None:
    """Open folders and secret files are found; everything as it was made is fine."""
    write_private(home.local_key, b"key")
    assert permission_issues(home) == []
    home.local_key.chmod(0o644)
    home.keys.chmod(0o755)
    assert permission_issues(home) == [str(home.keys), str(home.local_key)]


def test_version_hint() -> None:
    """Only a supervisor of another release is worth a word."""

    def report(version: str) -> RuntimeReport:
        return RuntimeReport({"version": version}, "p", "t", (), ())

    assert version_hint(report(release())) is None
    assert version_hint(RuntimeReport(None, "p", "t", (), ())) is None
    assert version_hint(report("0.0.1")) == (
        f"the supervisor runs release 0.0.1, this is {release()}; `router down && router up` renews it"
    )
