"""`router down`: stop everything."""

import typer

from llm_router.cli.invocation import of

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: `router down`")
def down(ctx: typer.Context) -> None:
    """Stop everything: requests in flight are finished, within 10 seconds; then nothing runs."""
    from llm_router.cli.views.units import stopping_line
    from llm_router.control import lifecycle

    console = of(ctx).console
    stopped = lifecycle.down(of(ctx).home, on_progress=lambda step: console.say(stopping_line(step)))
    console.result("stopped" if stopped else "nothing was running")
