"""`router models`: what can be asked, and through which lane."""

from typing import TYPE_CHECKING, Annotated

import typer

from llm_router.cli.invocation import of

if TYPE_CHECKING:
    from llm_router.control.reach import ReachableModel

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: `router models --json | jq -r '.models[].model'`")
def models(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List every model name a client may ask for, who would answer, and how each client format gets there."""
    from llm_router.control.endpoint import find_endpoint
    from llm_router.control.reach import list_models
    from llm_router.secrets.keys import read_local_key

    invocation = of(ctx)
    endpoint = find_endpoint(invocation.home)
    rows = list_models(endpoint, read_local_key(invocation.home))
    if as_json:
        invocation.console.result_json({"profile": endpoint.plan.profile, "models": [row.as_json() for row in rows]})
        return
    for line in _lines(rows):
        invocation.console.result(line)
    if any(row.usable is None for row in rows):
        invocation.console.say("The gateway does not run, so this is the plan only; `router up` starts it.")


def _lines(rows: "list[ReachableModel]") -> list[str]:
    wide = max([len(row.model) for row in rows] + [5])
    far = max([len(row.candidate) for row in rows] + [6])
    head = f"{'MODEL':<{wide}}  {'ANSWER':<{far}}  {'STATE':<9}  {'DIRECT FOR':<36}  TRANSLATED FOR"
    return [head, *(f"{row.model:<{wide}}  {row.candidate:<{far}}  {_rest(row)}" for row in rows)]


def _rest(row: "ReachableModel") -> str:
    state = {True: "ready", False: "not ready", None: "unknown"}[row.usable]
    direct = ", ".join(wire for wire, lane in row.lanes.items() if lane == "direct") or "-"
    other = ", ".join(wire for wire, lane in row.lanes.items() if lane != "direct") or "-"
    return f"{state:<9}  {direct:<36}  {other}"
