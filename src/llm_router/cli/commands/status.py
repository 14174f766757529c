"""`router status`: what runs and whether it is ready."""

from typing import Annotated

import typer

from llm_router.cli.invocation import of

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Examples: `router status`, `router status --json`")
def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what runs and whether it is ready. A router that does not run is an answer, too: exit code 0."""
    from llm_router.cli.views.units import status_lines
    from llm_router.control.runtime import read_runtime, version_hint

    invocation = of(ctx)
    report = read_runtime(invocation.home)
    if hint := version_hint(report):
        invocation.console.warn(hint)
    if not report.units:
        invocation.console.say(f"Nothing has been started in `{invocation.home.root}` yet\nhint: Run `router up`")
    if report.secret_permission_issues:
        places = " ".join(f"`{path}`" for path in report.secret_permission_issues)
        invocation.console.warn(f"others may read {places} (`router up` closes folders, `chmod 600` a file)")
    if as_json:
        invocation.console.result_json(report.as_json())
    else:
        invocation.console.result("\n".join(status_lines(report.as_json())))
