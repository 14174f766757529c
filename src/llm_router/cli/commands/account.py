"""`router account`: the health of accounts, and closing and opening them by hand."""

from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The health of each account and model; pause and resume them.",
    epilog="Example: `router account pause openai`, `router account resume openai/gpt-5`",
)
Account = Annotated[str, typer.Argument(help="An account, e.g. `openai`, or one model of it, e.g. `openai/gpt-5`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: `router account list --json`")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show every account and model with its health, and when one that is closed may be tried again."""
    from llm_router.control.accounts import list_accounts

    _show(ctx, list_accounts(of(ctx).home), as_json=as_json)


@app.command(epilog="Example: `router account pause openai --reason 'bill is due'`")
def pause(
    ctx: typer.Context,
    account: Account,
    reason: Annotated[str, typer.Option(help="Shown to whoever asks why.")] = "paused by hand",
    as_json: JsonOption = False,
) -> None:
    """Send no more requests to an account until it is resumed; what is in flight finishes."""
    from llm_router.control.accounts import pause as close

    _show(ctx, close(of(ctx).home, account, reason), as_json=as_json)


@app.command(epilog="Example: `router account resume openai`")
def resume(ctx: typer.Context, account: Account, as_json: JsonOption = False) -> None:
    """Open an account at once, whatever it was waiting for."""
    from llm_router.control.accounts import resume as open_again

    _show(ctx, open_again(of(ctx).home, account), as_json=as_json)


def _show(ctx: typer.Context, rows: list[dict[str, object]], *, as_json: bool) -> None:
    from llm_router.cli.views.accounts import account_lines

    console = of(ctx).console
    if as_json:
        console.result_json({"accounts": rows})
        return
    for line in account_lines(rows):
        console.result(line)
