#!/usr/bin/env python3
"""Write docs/reference/ from the code: every error, every event, every command.

`.venv/bin/python scripts/generate_reference.py` writes the pages; with `--check` it says which are stale and exits 1.
"""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

import llm_router
from llm_router.cli.commands_table import COMMANDS
from llm_router.cli.main import app
from llm_router.errors import Exit, RemoteError, RouterError
from llm_router.routing import limits

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "llm_router"
GENERATED = "<!-- Written by scripts/generate_reference.py. Change the code, then run it again. -->\n"
NOT_RUN = ("llm_router.testing",)
EVENT_WRITERS = {"announce", "event", "write", "Announce", "_on_event", "_applied"}


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {"errors.md": errors_page(), "events.md": events_page(), "cli.md": cli_page()}


def errors_page() -> str:
    """Two tables: what commands end with, and what clients are answered."""
    rows = sorted({(kind.code, int(kind.exit_code), meaning(kind)) for kind in error_classes()})
    exits = {Exit.OK: "all is well", Exit.FAILURE: "the answer is no, or you can mend it"}
    exits |= {Exit.USAGE: "bad arguments or a bad configuration", Exit.BUG: "a bug of llm-router's"}
    exits |= {Exit.INTERRUPTED: "Ctrl-C", Exit.TERMINATED: "SIGTERM"}
    return "\n".join(
        [
            "# Errors",
            GENERATED,
            "Each error is one sentence on stderr with hints; with `--json` it is an object on stdout:",
            '`{"schema": 1, "error": {"code", "message", "causes", "unharmed", "hints", "exit_code"}}`. A `code` stays',
            "what it is from release to release.",
            "",
            "## Exit codes",
            "",
            *table(("exit code", "meaning"), [(str(int(code)), text) for code, text in exits.items()]),
            "",
            "## Errors of commands",
            "",
            *table(("code", "exit code", "meaning"), [(f"`{code}`", str(ends), text) for code, ends, text in rows]),
            "",
            "## Errors that clients are answered",
            "",
            "In the client's own format. An upstream's own refusal passes as it is; only that of the router's key",
            "becomes `upstream_auth_failed`, so that no client throws its own sign-in away.",
            "",
            *table(("code", "status"), [(f"`{code}`", status) for code, status in client_failures()]),
            "",
        ]
    )


def error_classes() -> Iterator[type[RouterError]]:
    """Every error of the product, after importing every module of it."""
    for module in pkgutil.walk_packages(llm_router.__path__, "llm_router."):
        if not module.name.startswith(NOT_RUN) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[RouterError]] = [RouterError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind is not RemoteError and kind.__module__.startswith("llm_router."):
            yield kind


def meaning(kind: type[RouterError]) -> str:
    """The first sentence of a class's docstring."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def client_failures() -> list[tuple[str, str]]:
    """Code and statuses of every failure that the gateway's code makes with a fixed code."""
    found: dict[str, set[int]] = {}
    for call in calls(SOURCE / "gateway", SOURCE / "wire"):
        if name_of(call) == "Failure" and len(call.args) > 1:
            status, code = (
                argument.value if isinstance(argument, ast.Constant) else None for argument in call.args[:2]
            )
            if isinstance(status, int) and isinstance(code, str):
                found.setdefault(code, set()).add(status)
    for status, code, *_ in limits.ANSWERS.values():
        found.setdefault(code, set()).add(status)
    return sorted((code, ", ".join(map(str, sorted(statuses)))) for code, statuses in found.items())


def events_page() -> str:
    """Every event name that the code writes, and the room that writes it."""
    found: dict[str, set[str]] = {}
    for room in sorted(folder for folder in SOURCE.iterdir() if folder.is_dir()):
        for call in calls(room):
            if name_of(call) in EVENT_WRITERS and call.args:
                for name in texts(call.args[0]):
                    found.setdefault(name, set()).add(room.name)
    rows = [(f"`{name}`", ", ".join(sorted(rooms))) for name, rooms in sorted(found.items())]
    return "\n".join(
        [
            "# Events",
            GENERATED,
            "`.router/runtime/events.log` holds one JSON object a line. `timestamp`, `event`, `service`, `profile`,",
            "`provider`, `result` and `detail` always stand in it; further ids may. `router events --event NAME`",
            "shows one kind.",
            "",
            *table(("event", "written by"), rows),
            "",
        ]
    )


def calls(*folders: Path) -> Iterator[ast.Call]:
    """Every call in the modules of these folders."""
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    """The last part of what is called."""
    target = call.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def texts(argument: ast.expr) -> list[str]:
    """The event names that an argument may be: a text like `unit_ready`, or one of two."""
    if isinstance(argument, ast.IfExp):
        return [*texts(argument.body), *texts(argument.orelse)]
    value = argument.value if isinstance(argument, ast.Constant) else None
    looks_right = isinstance(value, str) and value.isidentifier() and value.islower()
    return [str(value)] if looks_right else []


def cli_page() -> str:
    """The --help of every command."""
    parts = ["# Commands", GENERATED, "`router COMMAND --help` shows the same.", ""]
    parts += [*help_of([]), ""]
    for name in COMMANDS:
        parts += [f"## router {name}", "", *help_of([name]), ""]
        for child in children(name):
            parts += [f"### router {name} {child}", "", *help_of([name, child]), ""]
    return "\n".join(parts)


def children(name: str) -> list[str]:
    """The commands below a command."""
    entry = COMMANDS[name].target.partition(":")
    from typer.main import get_command

    command = get_command(getattr(importlib.import_module(entry[0]), entry[2]))
    return list(getattr(command, "commands", {}))


def help_of(words: list[str]) -> list[str]:
    """One --help, as a block of text."""
    shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=100, max_content_width=100)
    if shown.exit_code != 0:
        raise SystemExit(f"`router {' '.join(words)} --help` failed: {shown.output}")
    return [
        "```text",
        *(line.rstrip() for line in shown.output.strip().replace("Usage: root", "Usage: router").splitlines()),
        "```",
    ]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]


def stale() -> list[str]:
    """The pages on disk that the code no longer gives."""
    held = {name: FOLDER / name for name in pages()}
    return [name for name, text in pages().items() if not held[name].exists() or held[name].read_text() != text]


def main() -> None:
    """Write the pages, or with `--check` name the stale ones."""
    if "--check" in sys.argv[1:]:
        names = stale()
        raise SystemExit(f"stale: {', '.join(names)}; run scripts/generate_reference.py" if names else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
