"""`router usage`: what was used, by whom, and what it cost."""

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from llm_router.cli.invocation import Invocation, of
from llm_router.journal.ledger_queries import GroupBy

if TYPE_CHECKING:
    from llm_router.control.usage_report import UsageReport

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router usage --by model --since 30d`, `router usage --by session --csv > usage.csv`")
def usage(
    ctx: typer.Context,
    by: Annotated[GroupBy, typer.Option("--by", help="What to add up by.")] = GroupBy.DAY,
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="24h, 7d, 4w, 2026-11-01 or all.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma separated values.")] = False,
) -> None:
    """Show requests, tokens and cost by day, model, account, key or session; `?` marks answers of unknown price."""
    from datetime import UTC, datetime

    from llm_router.control.usage_report import parse_since, usage_report

    if as_json and as_csv:
        raise typer.BadParameter("goes not with --json", param_hint="--csv")
    invocation = of(ctx)
    report = usage_report(invocation.home.ledger, by, parse_since(since), datetime.now(UTC).date())
    if as_json:
        invocation.console.result_json(report.as_json())
    elif as_csv:
        invocation.console.result(report.as_csv())
    else:
        _show(invocation, report)


def _show(invocation: Invocation, report: "UsageReport") -> None:
    from llm_router.cli.views.usage import usage_lines

    console = invocation.console
    terminal = console.is_terminal
    rich = console.rich() if terminal else None
    for line in usage_lines(report, shutil.get_terminal_size((100, 24)).columns, bars=terminal):
        if rich is None:
            console.result(line.text)
        else:
            from rich.text import Text

            rich.print(Text.assemble(line.text, (line.bar, "cyan")), no_wrap=True, overflow="crop")
    for warning in report.warnings:
        console.warn(warning)
