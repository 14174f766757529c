"""`router secret`: keep keys encrypted, where the configuration names them."""

import os
import sys
from typing import Annotated

import typer

from llm_router.cli import invocation
from llm_router.secrets.master_keys import KeptIn

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Store, list and remove the keys that the configuration names.",
    epilog="Example: `router secret set openai`, then `key: sealed:openai` in router.yaml",
)

Name = Annotated[str, typer.Argument(help="A short name, e.g. `openai`.")]
PlainOption = Annotated[bool, typer.Option("--plain", help="Keep it unencrypted, in a private file (mode 600).")]
StoreOption = Annotated[
    KeptIn | None,
    typer.Option(
        "--store", help="Where the master key is kept; `file` is a private file, for machines without keyring."
    ),
]


@app.command("set", epilog="Example: `router secret set openai`, or `pass show openai | router secret set openai`")
def set_secret(
    ctx: typer.Context,
    name: Name,
    plain: PlainOption = False,
    store: StoreOption = None,
    given: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="< FILE")] = None,
) -> None:
    """Encrypt and store a key, read from stdin or asked for without showing it; prints the reference to write."""
    from llm_router.secrets.keys import KeyOnCommandLine
    from llm_router.secrets.sealed_keys import store_plain, store_sealed
    from llm_router.secrets.secret import Secret

    if given:
        raise KeyOnCommandLine(name)
    current = invocation.of(ctx)
    text = typer.prompt(f"Key for `{name}`", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    value = Secret(text)
    if plain:
        stored = store_plain(current.home, name, value)
    else:
        stored = store_sealed(current.home, os.environ, name, value, store)
    current.console.say(f"{'Replaced' if stored.replaced else 'Stored'} `{name}`; name it in router.yaml as:")
    current.console.result(stored.reference)
    if stored.also_plain:
        current.console.warn(f"`{stored.also_plain}` still holds a key that is not encrypted; remove it when unused")


@app.command("list", epilog="Example: `router secret list --json`")
def list_secrets(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Print the references of the stored keys, never the keys."""
    from llm_router.secrets.sealed_keys import references

    current = invocation.of(ctx)
    rows = [{"name": name, "reference": reference} for name, reference in references(current.home)]
    if as_json:
        current.console.result_json({"secrets": rows})
        return
    for row in rows:
        current.console.result(row["reference"])


@app.command(epilog="Example: `router secret remove openai`")
def remove(ctx: typer.Context, name: Name) -> None:
    """Delete a stored key, sealed or plain."""
    from llm_router.secrets.sealed_keys import remove as delete

    current = invocation.of(ctx)
    delete(current.home, name)
    current.console.say(f"Removed `{name}`")


@app.command("rotate-key", epilog="Example: `router secret rotate-key`")
def rotate_key(ctx: typer.Context) -> None:
    """Encrypt everything that is sealed with a new master key; an interrupted run is finished by the next."""
    from llm_router.secrets.sealed_store import SealedStore

    current = invocation.of(ctx)
    rotation = SealedStore(current.home, os.environ).rotate()
    current.console.result(f"rotated={rotation.entries}")
    for old in rotation.left:
        current.console.warn(f"The old master key `{old}` could not be deleted; run `router secret rotate-key` again")
