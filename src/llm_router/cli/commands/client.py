"""`router client`: settings for the programs that talk to the router."""

import shlex
from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Settings for clients: SDKs, Codex, Claude Code.",
    epilog='Example: `eval "$(router client env)"`',
)


@app.callback()
def client() -> None:
    """Settings for clients: SDKs, Codex, Claude Code."""


@app.command(epilog='Examples: `eval "$(router client env)"`, `router client env --json`')
def env(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Print shell exports for OpenAI and Anthropic clients. The key is named, not shown: the shell reads its file."""
    from llm_router.control.endpoint import find_endpoint
    from llm_router.secrets.keys import LOCAL_KEY

    invocation = of(ctx)
    url = find_endpoint(invocation.home).url
    addresses = {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    keys = ("OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    if as_json:
        held = {"variables": addresses, "key": LOCAL_KEY, "key_file": str(invocation.home.local_key)}
        invocation.console.result_json({**held, "key_variables": list(keys)})
        return
    for name, value in addresses.items():
        invocation.console.result(f"export {name}={shlex.quote(value)}")
    for name in keys:
        invocation.console.result(f'export {name}="$(cat {shlex.quote(str(invocation.home.local_key))})"')
    invocation.console.say('# Take them over with: eval "$(router client env)"')
