"""`router service`: start, stop, restart and inspect single units."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from llm_router.cli.commands.up import prepare
from llm_router.cli.invocation import Invocation, of
from llm_router.errors import Exit

if TYPE_CHECKING:
    from llm_router.control.lifecycle import Outcome

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Start, stop, restart and inspect single units: gateway, litellm, sandbox, and your own services.",
    epilog="Examples: `router service restart litellm`, `router service logs gateway --follow`",
)

UnitsArgument = Annotated[list[str] | None, typer.Argument(help="Units, or all.", metavar="[UNIT]...")]
WaitOption = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until they are ready.")]


@app.command(epilog="Example: `router service start litellm`")
def start(ctx: typer.Context, units: UnitsArgument = None, wait: WaitOption = 60.0) -> None:
    """Start units and wait until they are ready; those that run already are left alone."""
    from llm_router.control import lifecycle

    invocation = of(ctx)
    prepare(invocation)
    names = units or ["all"]
    outcome = lifecycle.start(invocation.home, os.environ, names, wait=wait, on_progress=_quiet)
    _show(invocation, outcome, names)


@app.command(epilog="Example: `router service stop litellm`")
def stop(ctx: typer.Context, units: UnitsArgument = None) -> None:
    """Stop units: ask, wait, end. The supervisor itself is stopped by `router down`."""
    from llm_router.cli.views.units import outcome_line
    from llm_router.control import lifecycle

    invocation = of(ctx)
    outcome = lifecycle.stop(invocation.home, units or ["all"], on_progress=_quiet)
    for unit in outcome.units:
        invocation.console.result(outcome_line(unit))
    if any(unit["pid"] for unit in outcome.units):
        raise typer.Exit(Exit.FAILURE)


@app.command(epilog="Example: `router service restart all`")
def restart(ctx: typer.Context, units: UnitsArgument = None, wait: WaitOption = 60.0) -> None:
    """Stop units, start them again and wait until they are ready."""
    from llm_router.control import lifecycle

    invocation = of(ctx)
    prepare(invocation)
    names = units or ["all"]
    outcome = lifecycle.restart(invocation.home, os.environ, names, wait=wait, on_progress=_quiet)
    _show(invocation, outcome, names)


@app.command(epilog="Example: `router service status litellm --json`")
def status(
    ctx: typer.Context,
    units: UnitsArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show single units."""
    from llm_router.cli.views.units import unit_line
    from llm_router.control.runtime import choose, read_runtime

    invocation = of(ctx)
    report = read_runtime(invocation.home)
    chosen = choose(report, units or [])
    if as_json:
        invocation.console.result_json({"units": [dict(unit) for unit in chosen]})
        return
    for unit in chosen:
        invocation.console.result(unit_line(unit, report.profile))


@app.command(epilog="Examples: `router service logs gateway --lines 100`, `router service logs --follow`")
def logs(
    ctx: typer.Context,
    units: UnitsArgument = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with lines as they come.")] = False,
) -> None:
    """Show what units wrote; secrets are masked in it."""
    from llm_router.control.unit_logs import follow_logs, log_files, recent

    invocation = of(ctx)
    files = log_files(invocation.home, units or [])
    several = len(files) > 1
    for unit, line in recent(files, lines):
        invocation.console.result(f"{unit}: {line}" if several else line)
    if follow:
        for unit, line in follow_logs(files):
            invocation.console.result(f"{unit}: {line}" if several else line)
            sys.stdout.flush()


def _show(invocation: Invocation, outcome: "Outcome", names: list[str]) -> None:
    from llm_router.cli.views.units import hint_lines, outcome_line, tail_lines

    for unit in outcome.units:
        invocation.console.result(outcome_line(unit))
    for line in (line for unit in outcome.unwell for line in tail_lines(unit)):
        invocation.console.say(line)
    for line in hint_lines(outcome.units):
        invocation.console.say(line)
    if outcome.missed(names):
        raise typer.Exit(Exit.FAILURE)


def _quiet(_step: object) -> None:
    """`router service` says what became of each unit at the end."""
