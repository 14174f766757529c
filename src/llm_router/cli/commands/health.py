"""`router health`: liveness and readiness of every unit."""

from typing import Annotated

import typer

from llm_router.cli.invocation import of
from llm_router.errors import Exit

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router health`, `router health --wait 30`, `router health gateway --json`")
def health(
    ctx: typer.Context,
    units: Annotated[list[str] | None, typer.Argument(help="Units; all when left out.", metavar="[UNIT]...")] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until all is ready.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check liveness (the process) and readiness (its answer); exit 1 when something is not well."""
    from llm_router.cli.views.units import health_body, health_lines, hint_lines, problem_hints
    from llm_router.control.runtime import await_runtime, choose

    invocation = of(ctx)
    chosen = choose(await_runtime(invocation.home, wait, units or []), units or [])
    if as_json:
        invocation.console.result_json(health_body(chosen))
    else:
        for line in (line for unit in chosen for line in health_lines(unit)):
            invocation.console.result(line)
        for line in (*hint_lines(chosen), *problem_hints(chosen)):
            invocation.console.say(line)
    if not chosen or not all(unit["ready"] for unit in chosen):
        raise typer.Exit(Exit.FAILURE)
