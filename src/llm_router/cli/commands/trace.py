"""`router trace`: the whole story of one request."""

from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router trace latest`, `router trace 3f0c91`, `router trace latest --json`")
def trace(
    ctx: typer.Context,
    trace_id: Annotated[str, typer.Argument(metavar="[ID]", help="An x-request-id, or its beginning.")] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one request: who asked, every attempt with its reason and time, the answer, tokens, cost and events."""
    from llm_router.cli.views.trace import trace_lines
    from llm_router.control.trace_report import find_trace

    invocation = of(ctx)
    found = find_trace(invocation.home.ledger, invocation.home.events, trace_id)
    if as_json:
        invocation.console.result_json(found.as_json() if found else {"trace": None, "events": []})
    elif found is None:
        invocation.console.result("Nothing has been recorded yet")
    else:
        for line in trace_lines(found):
            invocation.console.result(line)
