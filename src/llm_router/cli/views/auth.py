"""How a sign-in looks in a terminal and in a pipe, and the lines of `router auth list` and `status`."""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_router.accounts.flow import Show
from llm_router.cli.console import Console
from llm_router.control.signed_in import Proven, Report, moment

CLEAR = "\r\x1b[K"
TERMS = {
    "codex": (
        "This signs in with the client id of OpenAI's Codex CLI and uses your ChatGPT plan through an endpoint that "
        "OpenAI does not document for other programs. OpenAI's terms may not allow it, headers and limits can change "
        "without notice, and OpenAI may limit or close an account. The documented ways are `router auth chatgpt` and "
        "an API key."
    ),
    "copilot": (
        "This uses your GitHub Copilot plan through an endpoint that GitHub does not document for other programs, and "
        "has to name an editor's integration to be answered. GitHub's terms may not allow it, and GitHub is known to "
        "suspend accounts for heavy automated use."
    ),
}
CLAUDE = (
    "Signing in with a Claude subscription is not built: Anthropic allows the sign-in of Free, Pro and Max plans "
    "only in Claude Code and on claude.ai. Claude Code itself can be a client of the router"
)
CHATGPT_NOTICE = (
    "Continue with ChatGPT: llm-router will use your own ChatGPT plan, within the limit that you set for it. "
    "When the plan's limit is reached, requests fail; they are never moved to another way of paying by themselves."
)


@dataclass(slots=True)
class SignInView:
    """Tells a person what to do, and how much time is left. Results on stdout, talk on stderr."""

    console: Console
    drawn: bool = field(default=False, init=False)

    def show(self, shown: Show) -> None:
        """The address and the code, before anything is polled."""
        self.console.result(f"login_url={shown.url}")
        if shown.code:
            self.console.result(f"user_code={shown.code}")
        sys.stdout.flush()
        if self._is_watched():
            self.console.say(f"\n{_qr(shown.url)}" if shown.code else "")
        if shown.code:
            self.console.say(f"Open {shown.url} and type {shown.code}; Ctrl-C calls it off")
        else:
            self.console.say("Open this address in a browser on this machine; Ctrl-C calls it off")

    def waiting(self, seconds_left: float) -> None:
        """A countdown, for who watches."""
        if self._is_watched():
            minutes, seconds = divmod(int(seconds_left), 60)
            sys.stderr.write(f"{CLEAR}Waiting, {minutes}:{seconds:02} left ")
            sys.stderr.flush()
            self.drawn = True

    def network_lost(self, reason: str) -> None:
        """A request is sent again."""
        self.finish()
        self.console.say(f"The network failed ({reason}); trying again")

    def finish(self) -> None:
        """Leave the terminal on a line of its own."""
        if self.drawn:
            sys.stderr.write(CLEAR)
            self.drawn = False

    def _is_watched(self) -> bool:
        return sys.stderr.isatty() and not self.console.quiet


def _qr(url: str) -> str:
    import segno

    drawing = io.StringIO()
    segno.make(url, error="l").terminal(out=drawing, compact=True, border=2)
    return drawing.getvalue()


def list_lines(reports: Sequence[Report]) -> list[str]:
    """A table of the accounts."""
    rows = [("ACCOUNT", "PLAN", "WHO", "HEALTH", "NEXT REFRESH")]
    for report in reports:
        account = report.account
        plan, who, due = ("", "", None)
        if account is not None:
            plan, who, due = account.person.plan, account.person.email, account.tokens.refresh_at
        rows.append((report.name, plan or "-", who or "-", report.health, moment(due) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def status_lines(reports: Sequence[Report]) -> list[str]:
    """One line of `name=value` for each account, with what is to be done behind it."""
    lines = []
    for report in reports:
        body = report.as_json()
        wanted = ("health", "plan", "access_expires_at", "refresh_expires_at", "last_refresh", "next_refresh")
        parts = [f"{name}={body.get(name) or 'unknown'}" for name in wanted]
        if report.account is not None and report.account.kind == "chatgpt":
            parts.append("using=chatgpt-plan")
        lines.append(f"{report.name}:{' '.join(parts)}{f' # {report.message}' if report.message else ''}")
    return lines


def proven_lines(tested: Sequence[Proven]) -> list[str]:
    """One line for each tested account."""
    return [f"{one.name}:{one.result}{f' # {one.message}' if one.message else ''}" for one in tested]
