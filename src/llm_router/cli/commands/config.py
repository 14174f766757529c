"""`router config`: show, validate, explain and migrate the configuration."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from llm_router.cli import configuration, invocation

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show, validate, explain and migrate the configuration.",
    epilog="Example: `router config explain gateway.port`",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As if KEY were VALUE.")]


@app.command(epilog="Example: `router config show --json`")
def show(ctx: typer.Context, as_json: JsonOption = False, sets: SetOption = None) -> None:
    """Print the whole configuration, with what ships filled in. Secrets are shown as references."""
    from llm_router.config.edit import as_yaml

    console = invocation.of(ctx).console
    found = configuration.loaded(ctx, sets or ())
    body = found.settings.model_dump(mode="json", exclude_none=True)
    if as_json:
        console.result_json({"path": str(found.path), "config": body})
    else:
        console.result(as_yaml(body).rstrip("\n"))


@app.command(epilog="Example: `router config validate`")
def validate(ctx: typer.Context, as_json: JsonOption = False, sets: SetOption = None) -> None:
    """Check the configuration and every profile in it. Exit 2 with file, line and path of all that is wrong."""
    from llm_router.control.activation import compiled
    from llm_router.control.missing_keys import missing_keys

    console = invocation.of(ctx).console
    found = configuration.loaded(ctx, sets or ())
    for profile in found.settings.profiles:
        compiled(found.settings, profile)
    for line in missing_keys(found.settings, invocation.of(ctx).home, os.environ):
        console.warn(line)
    if as_json:
        body = {"valid": True, "path": str(found.path), "profiles": sorted(found.settings.profiles)}
        console.result_json({**body, "migrated": found.migrated, "notices": list(found.notices)})
    else:
        console.result(f"{found.path}: valid, {len(found.settings.profiles)} profiles")


@app.command(epilog="Example: `$EDITOR $(router config path)`")
def path(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print where the configuration is read from."""
    from llm_router.config.load import locate

    current = invocation.of(ctx)
    found = locate(current.config)
    if as_json:
        current.console.result_json({"path": str(found or current.config), "exists": found is not None})
    else:
        current.console.result(str(found or current.config))


@app.command(epilog="Example: `router config explain gateway.port`")
def explain(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="A setting or a part, e.g. `gateway`; all when left out.")] = "",
    as_json: JsonOption = False,
    sets: SetOption = None,
) -> None:
    """Print a setting's value and where it comes from: a flag, an environment variable, the file, or what ships."""
    from llm_router.config.explain import explain as explain_key

    console = invocation.of(ctx).console
    found = explain_key(configuration.loaded(ctx, sets or ()), key)
    if as_json:
        console.result_json({"settings": [asdict(explanation) for explanation in found]})
        return
    for one in found:
        value = one.value if isinstance(one.value, str) else json.dumps(one.value)
        console.result(f"{one.key} = {value}  ({one.origin}: {one.place})")


@app.command(epilog="Example: `router -c config/routertool.yaml config migrate --print`")
def migrate(
    ctx: typer.Context,
    only_print: Annotated[bool, typer.Option("--print", help="Print the new text and write nothing.")] = False,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where to write.  [default: the home's]")
    ] = "",
) -> None:
    """Write an older routertool.yaml as a router.yaml of the same meaning; what stood there is kept as a backup."""
    from llm_router.config.edit import migrate_file

    current = invocation.of(ctx)
    found = configuration.loaded(ctx)
    for notice in found.notices[1:]:
        current.console.say(f"notice: {notice}")
    target = Path(output).expanduser().absolute() if output else current.home.config
    for line in migrate_file(found, target, only_print=only_print):
        current.console.result(line)
