"""`router profile`: list, show, compare and set profiles."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from llm_router.cli import configuration, invocation

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, show, compare and set profiles.",
    epilog="Example: `router profile set cost`",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: `router profile list --json`")
def list_profiles(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print the names of all profiles."""
    from llm_router.control.activation import wanted_profile

    current = invocation.of(ctx)
    settings = configuration.loaded(ctx).settings
    active = wanted_profile(current.home, settings)
    names = sorted(settings.profiles)
    if as_json:
        rows = [{"name": name, "description": settings.profiles[name].description} for name in names]
        current.console.result_json({"profiles": [{**row, "current": row["name"] == active} for row in rows]})
    else:
        current.console.result("\n".join(names))


@app.command(epilog="Example: `router profile show reliability`")
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The profile; the current one when left out.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what a profile decides: retries, cooldowns, fallbacks, models."""
    from llm_router.config.edit import as_yaml
    from llm_router.control.activation import wanted_profile
    from llm_router.control.comparison import facts

    current = invocation.of(ctx)
    settings = configuration.loaded(ctx).settings
    name = name or wanted_profile(current.home, settings)
    body = {"profile": name, **facts(settings, name)}
    if as_json:
        current.console.result_json(body)
    else:
        current.console.result(as_yaml(body).rstrip("\n"))


@app.command(epilog="Example: `router profile current`")
def current(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print the profile in force; before the first start, the one to start with."""
    from llm_router.control.activation import read_state

    held = invocation.of(ctx)
    state = read_state(held.home)
    name = state.profile if state else configuration.loaded(ctx).settings.profile
    if as_json:
        generation, updated_at = (state.generation, state.updated_at) if state else (0, None)
        held.console.result_json({"profile": name, "generation": generation, "updated_at": updated_at})
    else:
        held.console.result(name)


@app.command("set", epilog="Example: `router profile set reliability`")
def set_profile(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The profile to put in force.")],
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a new LiteLLM.")] = 60.0,
) -> None:
    """Put a profile in force, also for what runs already; no request fails because of it."""
    from llm_router.cli.views.profile import problem_lines, progress_line, switched_lines
    from llm_router.control.activation import apply_to_running, switch_profile

    current = invocation.of(ctx)
    settings = configuration.loaded(ctx).settings
    tell = partial(apply_to_running, wait=wait, on_progress=lambda step: current.console.say(progress_line(step)))
    outcome = switch_profile(current.home, settings, name, apply=tell)
    for line in switched_lines(current.home, outcome):
        current.console.result(line)
    for line in problem_lines(outcome):
        current.console.warn(line)


@app.command(epilog="Example: `router profile diff balanced cost`")
def diff(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="A profile.")],
    second: Annotated[
        str, typer.Argument(help="Another; when left out, the current one is compared to the first.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what two profiles do differently, one value a line."""
    from llm_router.control.activation import wanted_profile
    from llm_router.control.comparison import compare

    current = invocation.of(ctx)
    settings = configuration.loaded(ctx).settings
    before, after = (first, second) if second else (wanted_profile(current.home, settings), first)
    differences = compare(settings, before, after)
    if as_json:
        rows = [asdict(difference) for difference in differences]
        current.console.result_json({"before": before, "after": after, "differences": rows})
        return
    if not differences:
        current.console.say(f"`{before}` and `{after}` do the same")
    for one in differences:
        current.console.result(f"{one.key}: {one.before} -> {one.after}")
