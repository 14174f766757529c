"""`router key`: make, list, show, revoke and rotate the keys that clients show."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from llm_router.cli import invocation

if TYPE_CHECKING:
    from llm_router.control.client_keys import KeyChange

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make, list, show, revoke and rotate the keys that clients show.",
    epilog="Example: `router key create laptop --preset agent`",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The key's name, e.g. `laptop`.")]


def _limit(option: str, words: str) -> object:
    return typer.Option(option, metavar="N", help=f"{words}; 0 turns the limit off.", show_default="the preset's")


@app.command(epilog="Example: `router key create web --models 'router-*' --rate 30 > web.key`")
def create(
    ctx: typer.Context,
    name: Name,
    preset: Annotated[str, typer.Option(help="`app`, or `agent` for Codex, Claude Code and the like.")] = "app",
    models: Annotated[list[str] | None, typer.Option(help="Names or globs it may ask for, comma or repeated.")] = None,
    providers: Annotated[list[str] | None, typer.Option(help="Providers that may answer it.")] = None,
    rate: Annotated[int | None, _limit("--rate", "Requests a minute")] = None,
    session_tokens: Annotated[int | None, _limit("--session-tokens", "Tokens of one session")] = None,
    output_cap: Annotated[int | None, _limit("--output-cap", "Tokens of one answer")] = None,
    messages: Annotated[int | None, _limit("--messages", "Messages of one request")] = None,
    session_concurrency: Annotated[int | None, _limit("--session-concurrency", "Running, of one session")] = None,
    queue: Annotated[int | None, _limit("--queue", "Waiting, of one session")] = None,
    concurrency: Annotated[int | None, _limit("--concurrency", "Running, of the key")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a client key; it is shown this once, alone on stdout."""
    from llm_router.control.client_keys import create as make
    from llm_router.secrets.client_keys import Wanted

    given = {
        "requests_per_minute": rate,
        "session_tokens": session_tokens,
        "output_cap": output_cap,
        "messages": messages,
        "session_concurrency": session_concurrency,
        "session_queue": queue,
        "concurrency": concurrency,
    }
    limits = {field: value for field, value in given.items() if value is not None}
    wanted = Wanted(preset, _split(models), _split(providers), limits)
    _show(ctx, make(invocation.of(ctx).home, name, wanted), "Made", as_json=as_json)


@app.command("list", epilog="Example: `router key list --json`")
def list_keys(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print every client key: name, preset, how it ends, when it was made, what it may use."""
    from llm_router.cli.views.key import list_lines
    from llm_router.control.client_keys import all_keys

    current = invocation.of(ctx)
    known = all_keys(current.home, os.environ)
    for problem in known.problems:
        current.console.warn(problem.message)
    if as_json:
        current.console.result_json({"keys": [key.as_json() for key in known.named()]})
        return
    for line in list_lines(known.named()):
        current.console.result(line)


@app.command(epilog="Example: `router key show laptop`")
def show(ctx: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Print what one client key may use; never the key."""
    from llm_router.cli.views.key import detail_lines
    from llm_router.control.client_keys import one_key

    current = invocation.of(ctx)
    key = one_key(current.home, name, os.environ)
    if as_json:
        current.console.result_json({"key": key.as_json()})
        return
    for line in detail_lines(key):
        current.console.result(line)


@app.command(epilog="Example: `router key revoke laptop`")
def revoke(ctx: typer.Context, name: Name) -> None:
    """Forget a client key at once; whoever shows it is refused."""
    from llm_router.control.client_keys import revoke as forget

    current = invocation.of(ctx)
    change = forget(current.home, name)
    current.console.say(f"Revoked `{name}`")
    if change.problem:
        current.console.warn(f"What runs still knows it: {change.problem}")


@app.command(epilog="Example: `router key rotate laptop --grace 24h`")
def rotate(
    ctx: typer.Context,
    name: Name,
    grace: Annotated[str, typer.Option(help="How long the old key stays good: 0, 90s, 10m, 24h, 7d.")] = "0",
    as_json: JsonOption = False,
) -> None:
    """Put a new key in a key's place; it is shown this once, alone on stdout."""
    from llm_router.control.client_keys import rotate as renew

    _show(ctx, renew(invocation.of(ctx).home, name, grace), "Rotated", as_json=as_json)


def _split(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts or () for part in text.split(",") if part.strip())


def _show(ctx: typer.Context, change: "KeyChange", word: str, *, as_json: bool) -> None:
    console = invocation.of(ctx).console
    if change.problem:
        console.warn(f"The key is stored, but what runs does not know it yet: {change.problem}")
    if change.secret is None:
        return
    if as_json:
        console.result_json({"name": change.name, "key": change.secret.reveal()})
        return
    console.say(f"{word} `{change.name}`. This is the only time that the key is shown:")
    console.result(change.secret.reveal())
