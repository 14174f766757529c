"""The `router` command: commands loaded when asked for, and the one place that maps errors to exit codes."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from llm_router.cli.commands_table import COMMANDS
from llm_router.errors import Exit, RouterError

_COMPLETION = ("install_completion", "show_completion")
# What people type who know other programs; the nearest spelling would mislead them (`restart` is not `status`).
_MEANT = {
    "help": ["--help"],
    "start": ["up"],
    "run": ["up"],
    "stop": ["down"],
    "restart": ["service restart"],
    "logs": ["service logs"],
    "log": ["service logs"],
    "ps": ["status"],
    "fix": ["doctor --fix"],
    "diagnose": ["doctor"],
    "init": ["bootstrap"],
    "install": ["bootstrap"],
    "validate": ["config validate"],
    "env": ["client env"],
    "login": ["auth"],
    "logout": ["auth logout"],
    "key": ["secret set"],
    "keys": ["secret list"],
    "providers": ["config show"],
}


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are run, so that start-up costs only what a command needs."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """Every command, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Import the command, or None when there is no such name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = typer.main.get_command(getattr(import_module(module), attribute))
        command.name = cmd_name
        # Completion is installed once, for `router` itself: its two options are noise in every other --help.
        command.params = [held for held in command.params if held.name not in _COMPLETION]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """The command list by section, from the table, without an import."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in COMMANDS.items():
            if not entry.hidden:
                sections.setdefault(entry.section, []).append((name, entry.help))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Find the command, or say which one may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = _MEANT.get(args[0]) or get_close_matches(args[0], COMMANDS, n=3)
            hint = f"; did you mean {', '.join(f'`{name}`' for name in near)}?" if near else ""
            ctx.fail(f"there is no command `{args[0]}`{hint}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    name="router",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First time here: `router up`, then `router chat hello`. What is wrong: `router doctor`.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"router {version('llm-router')}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    home: Annotated[str, typer.Option("--home", metavar="FOLDER", help="The .router folder.  [env: ROUTER_HOME]")] = "",
    config: Annotated[
        str, typer.Option("--config", "-c", metavar="FILE", help="The configuration.  [env: ROUTER_CONFIG]")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.  [env: NO_COLOR]")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """One local endpoint for all the LLM accounts you have."""
    from llm_router.cli.invocation import Invocation

    del debug, version  # read by `run` and by the callback
    ctx.obj = Invocation.resolve(home=home, config=config, quiet=quiet, no_color=no_color, environ=os.environ)


def run(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process with an exit code of `errors.Exit`."""
    sys.exit(execute(sys.argv[1:] if arguments is None else list(arguments)))


def execute(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error ends here."""
    from llm_router.cli import failures

    try:
        result = app(args=arguments, prog_name="router", standalone_mode=False)
    except RouterError as error:
        return failures.show(error, arguments)
    except TyperException as error:
        return failures.show_usage(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILURE
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes an exit code
        return failures.show_bug(error, arguments)
    return result if isinstance(result, int) else Exit.OK
