"""`router secret`: keep keys in private files, where the configuration names them."""

import sys
from typing import Annotated

import typer

from llm_router.cli import invocation

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Store, list and remove the keys that the configuration names.",
    epilog="Example: `router secret set openai`, then `key: file:keys/openai.key` in router.yaml",
)

Name = Annotated[str, typer.Argument(help="A short name, e.g. `openai`.")]


@app.command("set", epilog="Example: `router secret set openai`, or `pass show openai | router secret set openai`")
def set_secret(
    ctx: typer.Context,
    name: Name,
    given: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="< FILE")] = None,
) -> None:
    """Store a key, read from stdin or asked for without showing it; prints the reference to write."""
    from llm_router.secrets.keys import KeyOnCommandLine, reference_to, store_key
    from llm_router.secrets.secret import Secret

    if given:
        raise KeyOnCommandLine(name)
    current = invocation.of(ctx)
    value = typer.prompt(f"Key for `{name}`", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    replaced = store_key(current.home, name, Secret(value))
    current.console.say(f"{'Replaced' if replaced else 'Stored'} `{name}`; name it in router.yaml as:")
    current.console.result(reference_to(name))


@app.command("list", epilog="Example: `router secret list --json`")
def list_secrets(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Print the references of the stored keys, never the keys."""
    from llm_router.secrets.keys import reference_to, stored_keys

    current = invocation.of(ctx)
    rows = [{"name": name, "reference": reference_to(name)} for name in stored_keys(current.home)]
    if as_json:
        current.console.result_json({"secrets": rows})
        return
    for row in rows:
        current.console.result(row["reference"])


@app.command(epilog="Example: `router secret remove openai`")
def remove(ctx: typer.Context, name: Name) -> None:
    """Delete a stored key."""
    from llm_router.secrets.keys import remove_key

    current = invocation.of(ctx)
    remove_key(current.home, name)
    current.console.say(f"Removed `{name}`")
