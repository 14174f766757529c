"""`router sandbox`: a loopback upstream in the foreground, its faults, and what it received."""

import sys
from typing import Annotated

import typer

from llm_router.cli import invocation
from llm_router.sandbox.faults import explain

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True, add_completion=False)

_FAULT_HELP = f"""Switch a fault on for the requests that follow, or show what is on.

SPEC is a comma list of:

\b
{explain()}

The fault stays on until it has struck `--count` requests or is cleared. A single request can bring its own: the header
`x-sandbox-fault: SPEC`, or `[[fault: SPEC]]` in the user's text.
"""

UrlOption = Annotated[
    str,
    typer.Option("--url", metavar="URL", help="Where the sandbox runs: else the supervised one, else port 8320."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(epilog="Example: router sandbox --port 8320")
def sandbox(
    ctx: typer.Context,
    host: Annotated[str, typer.Option("--host", help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8320,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives other ids.")] = 0,
) -> None:
    """Run a loopback upstream that answers every wire, to rehearse answers and failures with.

    The model echo-1 repeats what the user said; `use the tool NAME` or `call NAME {json}` makes a tool call.
    """
    if ctx.invoked_subcommand is not None:
        return
    from llm_router.sandbox import server
    from llm_router.sandbox.upstream import Upstream
    from llm_router.supervisor.sockets import owner_of

    console = invocation.of(ctx).console
    with server.listen(host, port, owner_of) as listener:
        url = server.url(listener)
        console.result(url)
        sys.stdout.flush()
        console.say(_advice(url))
        server.serve(listener, Upstream(seed=seed))


@app.command(help=_FAULT_HELP, epilog="Example: router sandbox fault status=429,retry_after=7 --count 3")
def fault(
    ctx: typer.Context,
    spec: Annotated[str, typer.Argument(metavar="[SPEC]", show_default=False)] = "",
    count: Annotated[int | None, typer.Option("--count", min=1, help="Requests to strike; all when left out.")] = None,
    only: Annotated[list[str], typer.Option("--only", metavar="model=NAME|wire=NAME", help="Strike these.")] = [],  # noqa: B006 - Typer copies it
    clear: Annotated[bool, typer.Option("--clear", help="Switch all faults off.")] = False,
    url: UrlOption = "",
    as_json: JsonOption = False,
) -> None:
    """See `_FAULT_HELP`, which lists the faults from the table that parses them."""
    from llm_router.sandbox import client

    url = url or _find(ctx)
    if clear:
        found = client.clear_faults(url)
    elif spec:
        found = client.switch_fault(url, spec, count=count, match=_match(only))
    else:
        found = client.faults(url)
    console = invocation.of(ctx).console
    if as_json:
        console.result_json({"faults": found})
    else:
        console.result("\n".join(_fault_line(one) for one in found) or "no fault is on")


@app.command(epilog="Example: router sandbox requests --limit 5")
def requests(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The newest so many.")] = 20,
    url: UrlOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what the sandbox received lately, newest first."""
    from llm_router.sandbox import client

    found = client.requests(url or _find(ctx), limit)
    console = invocation.of(ctx).console
    if as_json:
        console.result_json({"requests": found})
    else:
        console.result("\n".join(_request_line(one) for one in found) or "nothing was received")


def _find(ctx: typer.Context) -> str:
    from llm_router.control.sandbox import find_sandbox

    return find_sandbox(invocation.of(ctx).home)


def _match(only: list[str]) -> dict[str, str]:
    from llm_router.errors import UsageError

    pairs = [pair.partition("=") for pair in only]
    if any(name not in {"model", "wire"} or not value for name, _, value in pairs):
        raise UsageError("`--only` wants `model=NAME` or `wire=NAME`", hints=["router sandbox fault --help"])
    return {name: value for name, _, value in pairs}


def _fault_line(one: dict[str, object]) -> str:
    match = one["match"]
    struck = ", ".join(f"{key}={value}" for key, value in match.items()) if isinstance(match, dict) else ""
    left = "until it is cleared" if one["left"] is None else f"{one['left']} more requests"
    return f"{one['spec']}  {left}" + (f"  only {struck}" if struck else "")


def _request_line(one: dict[str, object]) -> str:
    fault = f"  [{one['fault']}]" if one["fault"] else ""
    return "{number:>5}  {status}  {method} {path}  {model}  {outcome}, {chunks} chunks".format(**one) + fault


def _advice(url: str) -> str:
    return f"""\
The sandbox runs until Ctrl-C. To aim a provider at it, in router.yaml:

  providers:
    rehearsal: {{kind: sandbox, base_url: "{url}"}}
  models:
    rehearsal: rehearsal/echo-1

{url}/only/chat/v1, …/only/responses/v1 and …/only/messages/v1 speak one wire each.
Rehearse a failure:    router sandbox fault status=429,retry_after=7 --count 3 --url {url}
See what arrived:      router sandbox requests --url {url}"""
