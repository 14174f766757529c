"""`router auth`: sign in to accounts, and look after those that are signed in."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from llm_router.cli import invocation
from llm_router.errors import Exit, UsageError

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Sign in to accounts, and keep them fresh; requests do not go through them yet.",
    epilog="Example: `router auth codex`, then `router auth status`",
)
codex_app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Sign in to a Codex plan by device code, or take over the sign-in of the Codex CLI.",
    epilog="Example: `router auth codex --label work`",
)
app.add_typer(codex_app, name="codex")

LabelOption = Annotated[str, typer.Option("--label", metavar="NAME", help="What to call the account.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Accept what is said about the provider's terms.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Accounts = Annotated[list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="Account names; all if none.")]


class TermsNotAccepted(UsageError):
    """A sign-in that a provider's terms may not allow has to be asked for."""

    code = "sign_in.terms_not_accepted"


class ClaudeNotBuilt(UsageError):
    """Signing in with a Claude subscription is not offered."""

    code = "sign_in.not_built"


@codex_app.callback()
def codex(
    ctx: typer.Context,
    browser: Annotated[bool, typer.Option("--browser", help="Sign in with this machine's browser.")] = False,
    label: LabelOption = "",
    yes: YesOption = False,
) -> None:
    """Sign in to a Codex plan; prints the address and the code, then waits."""
    if ctx.invoked_subcommand is None:
        _sign_in(ctx, "codex", label, browser=browser, yes=yes)


@codex_app.command("import", epilog="Example: `router auth codex import --source ~/.codex/auth.json`")
def import_codex(
    ctx: typer.Context,
    source: Annotated[Path | None, typer.Option("--source", metavar="FILE", help="The CLI's auth.json.")] = None,
    label: LabelOption = "",
    yes: YesOption = False,
) -> None:
    """Take over the sign-in of the Codex CLI."""
    from llm_router.accounts.importers.codex import WARNING
    from llm_router.control.sign_in import take_over

    _accept(ctx, "codex", yes=yes)
    console = invocation.of(ctx).console
    kept = take_over(invocation.of(ctx).home, os.environ, source, label)
    console.warn(WARNING)
    console.result(f"saved_auth={kept.account.name}")


@app.command(epilog="Example: `router auth copilot --label personal`")
def copilot(ctx: typer.Context, label: LabelOption = "", yes: YesOption = False) -> None:
    """Sign in to GitHub Copilot by device code."""
    _sign_in(ctx, "copilot", label, browser=False, yes=yes)


@app.command(epilog="Example: `router auth chatgpt`")
def chatgpt(ctx: typer.Context, label: LabelOption = "") -> None:
    """Sign in with ChatGPT, the documented way to use a Plus or Pro plan."""
    from llm_router.cli.views.auth import CHATGPT_NOTICE

    invocation.of(ctx).console.say(CHATGPT_NOTICE)
    _sign_in(ctx, "chatgpt", label, browser=True, yes=True)


@app.command(epilog="Example: `router secret set anthropic`")
def claude(ctx: typer.Context) -> None:
    """Say why a Claude subscription cannot be signed in to; exits 2."""
    from llm_router.cli.views.auth import CLAUDE

    del ctx
    raise ClaudeNotBuilt(
        CLAUDE,
        hints=[
            "Use an API key: `router secret set anthropic`, then a provider of kind `anthropic` with the reference",
            "Point Claude Code at the router: `router client env`",
        ],
    )


@app.command("list", epilog="Example: `router auth list`")
def list_accounts(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print the accounts that are signed in."""
    from llm_router.cli.views.auth import list_lines
    from llm_router.control.signed_in import reports

    current = invocation.of(ctx)
    found = reports(current.home, os.environ, [])
    if as_json:
        current.console.result_json({"accounts": [report.as_json() for report in found]})
        return
    if not found:
        current.console.say("No account is signed in; `router auth --help` shows how")
        return
    for line in list_lines(found):
        current.console.result(line)


@app.command(epilog="Example: `router auth status codex-work`")
def status(ctx: typer.Context, accounts: Accounts = None, as_json: JsonOption = False) -> None:
    """Print health, expiry and refresh times of accounts."""
    from llm_router.cli.views.auth import status_lines
    from llm_router.control.signed_in import reports

    current = invocation.of(ctx)
    found = reports(current.home, os.environ, accounts or [])
    if as_json:
        current.console.result_json({"accounts": [report.as_json() for report in found]})
        return
    for line in status_lines(found):
        current.console.result(line)


@app.command(epilog="Example: `router auth refresh codex-work`")
def refresh(ctx: typer.Context, accounts: Accounts = None) -> None:
    """Refresh accounts now."""
    from llm_router.control.signed_in import moment, refresh, reports

    current = invocation.of(ctx)
    for report in reports(current.home, os.environ, accounts or []):
        account = refresh(current.home, os.environ, report.name)
        current.console.result(f"{account.name}:refreshed access_expires_at={moment(account.tokens.expires_at)}")


@app.command("test", epilog="Example: `router auth test codex-work`")
def try_out(ctx: typer.Context, accounts: Accounts = None, as_json: JsonOption = False) -> int:
    """Make one call with each account that costs nothing; exit 1 when one fails."""
    from llm_router.cli.views.auth import proven_lines
    from llm_router.control.signed_in import prove, reports

    current = invocation.of(ctx)
    names = [report.name for report in reports(current.home, os.environ, accounts or [])]
    tested = [prove(current.home, os.environ, name) for name in names]
    if as_json:
        current.console.result_json({"accounts": [one.as_json() for one in tested]})
    else:
        for line in proven_lines(tested):
            current.console.result(line)
    return Exit.OK if all(one.result == "ok" for one in tested) else Exit.FAILURE


@app.command(epilog="Example: `router auth logout codex-work`")
def logout(ctx: typer.Context, account: Annotated[str, typer.Argument(help="The account's name.")]) -> None:
    """End a sign-in at its provider where that is offered, and delete it here."""
    from llm_router.control.signed_in import log_out

    current = invocation.of(ctx)
    left = log_out(current.home, os.environ, account)
    current.console.say(f"Removed `{account}`")
    if left:
        current.console.warn(left)


def _accept(ctx: typer.Context, kind: str, *, yes: bool) -> None:
    from llm_router.cli.views.auth import TERMS

    console = invocation.of(ctx).console
    console.say(TERMS[kind])
    if yes:
        return
    if not sys.stdin.isatty():
        raise TermsNotAccepted(
            "Nobody is here to accept this", hints=["Run the command again with `--yes`"], unharmed="Nothing was asked"
        )
    if not typer.confirm("Go on?", default=False, err=True):
        raise TermsNotAccepted("Not signed in", unharmed="Nothing was asked")


def _sign_in(ctx: typer.Context, kind: str, label: str, *, browser: bool, yes: bool) -> None:
    from llm_router.accounts.drive import Driver
    from llm_router.accounts.flow import SignInFailed
    from llm_router.cli.views.auth import SignInView
    from llm_router.control.sign_in import Wanted, sign_in

    if not yes or kind != "chatgpt":
        _accept(ctx, kind, yes=yes)
    current = invocation.of(ctx)
    view = SignInView(current.console)
    try:
        kept = sign_in(current.home, os.environ, Wanted(kind, label, browser), Driver(view))
    except SignInFailed as error:
        current.console.result(f"oauth_status={error.status}")
        raise
    finally:
        view.finish()
    current.console.result("oauth_status=success")
    current.console.result(f"account={kept.account.name}")
    for note in kept.account.notes:
        current.console.warn(note)
