"""How a failed command line looks: one sentence, its causes, what was left unharmed, and what to run next."""

import json
import sys
import traceback

from typer.exceptions import TyperException

from llm_router.cli.console import SCHEMA, harmless
from llm_router.errors import Exit, RouterError


def show(error: RouterError, arguments: list[str]) -> int:
    """Print a known error, as text on stderr or as JSON on stdout; returns its exit code."""
    if "--json" in arguments:
        sys.stdout.write(json.dumps({"schema": SCHEMA, "error": error.as_json()}, indent=2) + "\n")
        return error.exit_code
    lines = [f"error: {error.message}", *(f"  caused by: {cause}" for cause in dict.fromkeys(error.causes()))]
    if error.unharmed:
        lines.append(f"  {error.unharmed}")
    if error.hints:
        lines += ["", *(f"hint: {hint}" for hint in dict.fromkeys(error.hints))]
    sys.stderr.write(harmless("\n".join(lines)) + "\n")
    if "--debug" in arguments:
        traceback.print_exception(error)
    return error.exit_code


def show_usage(error: TyperException, arguments: list[str]) -> int:
    """Print a wrong command line with its usage; returns 2."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(message + "\n")
        return Exit.USAGE
    if "--json" in arguments:
        body = {"code": "usage.invalid", "message": message, "causes": [], "hints": [], "exit_code": int(Exit.USAGE)}
        sys.stdout.write(json.dumps({"schema": SCHEMA, "error": body}, indent=2) + "\n")
        return Exit.USAGE
    path = context.command_path if context is not None else "router"
    sys.stderr.write(
        f"error: {harmless(message[:1].lower() + message[1:])}\n\nhint: `{path} --help` shows what it takes\n"
    )
    return Exit.USAGE


def show_bug(error: Exception, arguments: list[str]) -> int:
    """Print a failure that nobody foresaw; returns 70."""
    sys.stderr.write(f"error: llm-router met a bug: {type(error).__name__}: {harmless(str(error))}\n")
    if "--debug" in arguments:
        traceback.print_exception(error)
    else:
        sys.stderr.write("\nhint: run the same command with `router --debug …` and report what it prints\n")
    return Exit.BUG
