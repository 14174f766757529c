"""`router doctor`: what is wrong, why, and how to mend it."""

from typing import Annotated

import typer

from llm_router.cli.invocation import of
from llm_router.errors import Exit

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router doctor`, `router doctor --fix`, `router doctor litellm home.modes --json`")
def doctor(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Checks, or parts such as `litellm`; all when left out.", metavar="[CHECK]..."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, and examine again.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the checks and run none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say what is wrong, why, and what to run; exit 1 when there is something to mend. Asks nobody outside."""
    from llm_router.cli.views.doctor import list_body, list_lines, report_lines
    from llm_router.doctor.checks_table import CHECKS
    from llm_router.doctor.context import Context
    from llm_router.doctor.run import choose, examine, mend

    held = of(ctx)
    checks = choose(CHECKS, names or ())
    if listing:
        if as_json:
            held.console.result_json(list_body(checks))
        else:
            held.console.result("\n".join(list_lines(checks)))
        return Exit.OK
    context = Context(held.home, held.config)
    report = mend(context, checks, held.console.say) if fix else examine(context, checks)
    if as_json:
        held.console.result_json(report.as_json())
    else:
        for line in report_lines(report):
            held.console.result(line)
    if report.healthy:
        held.console.say(f"Nothing to mend ({report.examined} checks, {report.seconds:.1f} s)")
    return Exit.OK if report.healthy else Exit.FAILURE
