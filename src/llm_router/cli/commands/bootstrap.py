"""`router bootstrap`: everything that must exist before the first start."""

from typing import Annotated

import typer

from llm_router.cli import invocation
from llm_router.errors import Exit

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: `router bootstrap --check` says what is missing and changes nothing.")
def bootstrap(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Only say what is missing; exit 1 if anything is.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use nothing but what uv has cached.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --check.")] = False,
) -> int:
    """Create .router/, a configuration, a client key, and LiteLLM's environment. A second run changes nothing."""
    if as_json and not check:
        raise typer.BadParameter("goes with --check", param_hint="--json")
    return _check(invocation.of(ctx), as_json=as_json) if check else _make(invocation.of(ctx), offline=offline)


def _make(held: invocation.Invocation, *, offline: bool) -> int:
    import os

    from llm_router.control.bootstrap import bootstrap as prepare

    done = prepare(held.home, held.config, environ=os.environ, say=held.console.say, offline=offline)
    if done.key:
        held.console.say(f"The client key, shown this once (it stays in `{held.home.local_key}`):")
        held.console.result(done.key)
    if not done.changed:
        held.console.say("Everything is in place; nothing was changed")
    return Exit.OK


def _check(held: invocation.Invocation, *, as_json: bool) -> int:
    from llm_router.control.bootstrap import missing

    found = missing(held.home, held.config)
    if as_json:
        held.console.result_json({"home": str(held.home.root), "missing": [each.as_json() for each in found]})
    elif found:
        held.console.result("\n".join(f"missing  {each.what:8} {each.problem}" for each in found))
        held.console.say("\nhint: run `router bootstrap`")
    else:
        held.console.result("Everything is in place")
    return Exit.FAILURE if found else Exit.OK
