"""Order, silence about consequences, failures of checks, and mending."""

import threading
from pathlib import Path

import pytest

from llm_router.doctor.checks_table import CHECKS
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.run import UNFINISHED, choose, examine, mend
from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A home that no check here looks at."""
    return Context(Home(tmp_path), tmp_path / "router.yaml", {})


def ill(code: str, severity: Severity = Severity.ERROR, *after: str, **more) -> Check:
    """A check that always finds its cause."""
    return Check(code, "", lambda context: Finding(code, severity, "t", "c"), depends_on=after, **more)


def well(code: str, *after: str) -> Check:
    """A check that never finds anything."""
    return Check(code, "", lambda context: None, depends_on=after)


def codes(report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_worst_first_then_the_order_of_the_table(context):
    """Severity before place."""
    report = examine(context, [ill("a", Severity.INFO), ill("b", Severity.WARNING), ill("c"), well("d"), ill("e")])

    assert codes(report) == ["c", "e", "b", "a"]
    assert (report.examined, report.healthy, report.quiet) == (5, False, ())


def test_consequences_are_quiet(context):
    """Over any number of steps, also through a check that found nothing; what is only worth knowing hides none."""
    chain = [
        ill("a"),
        well("b", "a"),
        ill("c", Severity.ERROR, "b"),
        ill("d", Severity.INFO),
        ill("e", Severity.ERROR, "d"),
    ]
    report = examine(context, chain)

    assert (codes(report), report.quiet) == (["a", "e", "d"], ("c",))


def test_a_check_that_raises_names_itself(context):
    """And the others are heard."""

    def fails(context):
        raise ValueError("no idea")

    report = examine(context, [Check("a.b", "", fails), ill("c")])

    assert codes(report) == ["c", UNFINISHED]
    assert report.findings[1].as_json() == {
        "code": "doctor.unfinished",
        "severity": "info",
        "title": "The check `a.b` could not be finished",
        "cause": "ValueError: no idea",
        "evidence": [],
        "fix": "router doctor a.b",
        "unharmed": "",
        "mendable": False,
    }


def test_a_check_that_hangs_is_left_behind(context):
    """After its limit the report is given without it."""
    never = threading.Event()
    hangs = Check("slow", "", lambda context: never.wait() or None, limit=0.05)

    report = examine(context, [hangs, ill("a")])
    never.set()

    assert codes(report) == ["a", UNFINISHED]
    assert report.healthy is False
    assert report.seconds < 2


def test_mending_goes_on_until_nothing_is_left(context):
    """Mending one cause uncovers the next."""
    broken = {"a", "b"}

    def check(code: str, *after: str) -> Check:
        def look(context):
            return Finding(code, Severity.ERROR, "t", "c") if code in broken else None

        return Check(code, "", look, lambda context: broken.discard(code) or f"mended {code}", depends_on=after)

    said: list[str] = []
    report = mend(context, [check("a"), check("b", "a")], said.append)

    assert (codes(report), report.healthy) == ([], True)
    assert said == ["a: mended a", "b: mended b"]
    assert [one.as_json() for one in report.mended] == [
        {"code": "a", "done": "mended a", "success": True},
        {"code": "b", "done": "mended b", "success": True},
    ]


@pytest.mark.parametrize("error", [RouterError("no network"), PermissionError(1, "No network")])
def test_what_cannot_be_mended_is_tried_once(context, error):
    """It says why, and stays a finding."""
    tried = []

    def fails(context):
        tried.append(1)
        raise error

    report = mend(context, [ill("a", mend=fails)])

    assert (codes(report), len(tried)) == (["a"], 1)
    assert (report.mended[0].done, report.mended[0].success) == ("not mended: no network", False)


def test_choose():
    """By code, by part, all; another name is an error with the nearest ones."""
    assert choose(CHECKS, []) == CHECKS
    assert [check.code for check in choose(CHECKS, ["disk.full", "ports"])] == [
        "disk.full",
        "ports.unusable",
        "ports.taken",
    ]
    with pytest.raises(UnknownName) as caught:
        choose(CHECKS, ["litelm"])
    assert caught.value.known[0] == "litellm"


def test_the_table():
    """Codes are unique, and every dependency exists, leads in no circle and stands before what follows from it."""
    order = {check.code: place for place, check in enumerate(CHECKS)}

    assert len(order) == len(CHECKS)
    assert {other for check in CHECKS for other in check.depends_on} <= set(order)
    assert not [check.code for check in CHECKS if not check.about]
    reached: set[str] = set()
    waiting = list(CHECKS)
    while ready := [check for check in waiting if reached.issuperset(check.depends_on)]:
        reached |= {check.code for check in ready}
        waiting = [check for check in waiting if check.code not in reached]
    assert waiting == [], "a circle"


def test_shown():
    """Evidence is bounded."""
    assert shown(["a"]) == ("a",)
    assert shown([str(number) for number in range(10)])[-2:] == ("7", "and 2 more")


def test_a_report_in_json(context):
    """The body of `--json`."""
    body = examine(context, [ill("a")]).as_json()

    assert body.pop("seconds") >= 0
    assert (body["healthy"], body["quiet"], body["mended"], body["examined"]) == (False, [], [], 1)
    assert [row["code"] for row in body["findings"]] == ["a"]
