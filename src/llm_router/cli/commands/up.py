"""`router up`: start everything in the background and wait until it is ready."""

import os
from typing import Annotated

import typer

from llm_router.cli.invocation import Invocation, of

app = typer.Typer(rich_markup_mode=None)

LEFT_RUNNING = "What was started keeps running: `router status` shows it, `router down` stops it"
ADVICE = "Point a client at it: router client env"


@app.command(epilog="Examples: `router up`, `router up --no-wait-translator`, `router up --wait 120`")
def up(
    ctx: typer.Context,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until all is ready.")] = 60.0,
    no_wait_translator: Annotated[
        bool, typer.Option("--no-wait-translator", help="Return once the same-format lane answers.")
    ] = False,
) -> None:
    """Start everything in the background and wait until it is ready.

    Ctrl-C ends the waiting, not what was started.
    """
    from llm_router.cli.views.progress import Progress
    from llm_router.control import lifecycle

    invocation = of(ctx)
    prepare(invocation)
    progress = Progress(invocation.console)
    try:
        outcome = lifecycle.up(
            invocation.home, os.environ, wait=wait, everything=not no_wait_translator, on_progress=progress.note
        )
    except KeyboardInterrupt:
        invocation.console.say(f"\n{LEFT_RUNNING}")
        raise
    code = progress.finish(outcome, [])
    invocation.console.say(ADVICE)
    raise typer.Exit(code)


def prepare(invocation: Invocation) -> None:
    """Make what is missing and cheap, and say what was made."""
    from llm_router.control import startup

    console = invocation.console
    prepared = startup.prepare(invocation.home, invocation.config, os.environ, console.warn)
    for line in prepared.made:
        console.say(line[:1].upper() + line[1:])
    if prepared.key:
        console.say(f"Client key, shown this once: {prepared.key}")
