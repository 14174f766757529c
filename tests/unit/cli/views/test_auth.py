"""The lines of `router auth`, as a pipe gets them."""

from dataclasses import replace

from support.accounts import account

from llm_router.accounts.account import Trouble
from llm_router.accounts.flow import Show
from llm_router.cli.console import Console
from llm_router.cli.views.auth import SignInView, list_lines, proven_lines, status_lines
from llm_router.control.signed_in import Proven, Report

OUT = Trouble("invalid_grant", 10.0, permanent=True)
REPORTS = [
    Report("chatgpt-ada", "ok", "", account("chatgpt-ada", kind="chatgpt")),
    Report("codex-ada", "signed_out", "sign in", replace(account(), trouble=OUT)),
    Report("codex-x", "unreadable", "damaged"),
]


def test_list():
    """A table that can be read without colour."""
    assert list_lines(REPORTS) == [
        "ACCOUNT      PLAN  WHO              HEALTH      NEXT REFRESH",
        "chatgpt-ada  plus  ada@example.com  ok          1970-01-01T00:50:00+00:00",
        "codex-ada    plus  ada@example.com  signed_out  1970-01-01T00:50:00+00:00",
        "codex-x      -     -                unreadable  -",
    ]


def test_status():
    """`name=value`, then what is to be done; plan use is marked where its rules want it."""
    lines = status_lines(REPORTS)

    assert lines[0].endswith("next_refresh=1970-01-01T00:50:00+00:00 using=chatgpt-plan")
    assert lines[1].endswith("next_refresh=unknown # sign in")
    assert lines[2].startswith("codex-x:health=unreadable plan=unknown")


def test_tested():
    """One line each."""
    assert proven_lines([Proven("a", "ok"), Proven("b", "refused", "why")]) == ["a:ok", "b:refused # why"]


def test_a_pipe_sees_no_drawing(capsys):
    """Address and code on stdout, one sentence on stderr, no countdown and no QR code."""
    view = SignInView(Console())
    view.show(Show("https://a/b", "CODE", 9.0))
    view.waiting(5.0)
    view.network_lost("ConnectError")
    view.finish()
    said = capsys.readouterr()

    assert said.out == "login_url=https://a/b\nuser_code=CODE\n"
    assert said.err == (
        "Open https://a/b and type CODE; Ctrl-C calls it off\nThe network failed (ConnectError); trying again\n"
    )
