"""`router events`: show or follow the event log."""

import json
import sys
from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router events --since 10m`, `router events --follow --event unit_failed`")
def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with events as they come.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="AGE", help="Not older than, e.g. 10m.")] = "",
    event: Annotated[list[str] | None, typer.Option("--event", metavar="NAME", help="Of this name only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON; with --follow one object a line.")] = False,
) -> None:
    """Show what happened: starts, stops, crashes, changes of profile."""
    from llm_router.cli.views.events import event_line
    from llm_router.journal.queries import EventFilter, follow_events, parse_age, read_events

    invocation = of(ctx)
    wanted = EventFilter(parse_age(since) if since else None, frozenset(event or ()))
    coming = follow_events(invocation.home.events, wanted) if follow else iter(())
    rows = list(read_events(invocation.home.events, wanted))
    show = json.dumps if as_json else event_line
    if as_json and not follow:
        invocation.console.result_json({"events": rows})
        return
    for row in rows:
        invocation.console.result(show(row))
    for row in coming:
        invocation.console.result(show(row))
        sys.stdout.flush()
