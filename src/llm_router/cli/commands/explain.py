"""`router explain`: why each candidate for a model would be chosen or skipped now."""

from enum import StrEnum
from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(rich_markup_mode=None)


class WireChoice(StrEnum):
    """The client's format."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"


@app.command(epilog="Examples: `router explain router-default`, `router explain claude-sonnet-4-5 --wire messages`")
def explain(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="A model name as a client would ask for it.")],
    wire: Annotated[WireChoice, typer.Option(help="The client's format.")] = WireChoice.CHAT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say, for each candidate of a model, whether it would be asked now, in which place, and why or why not."""
    from llm_router.cli.views.accounts import explain_lines
    from llm_router.control.accounts import explain as ask

    invocation = of(ctx)
    told = ask(invocation.home, model, wire.value)
    if as_json:
        invocation.console.result_json(told)
        return
    for line in explain_lines(told):
        invocation.console.result(line)
