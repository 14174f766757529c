"""The console: results go to stdout, talk goes to stderr, and nothing depends on colour or a terminal."""

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Console:
    """Where a command prints. `quiet` silences talk, never results."""

    quiet: bool = False
    color: bool = True

    def result(self, text: str) -> None:
        """A line of the answer, for people and pipes."""
        sys.stdout.write(text + "\n")

    def result_json(self, body: dict[str, object]) -> None:
        """The answer of a `--json` command: the body with its schema number."""
        sys.stdout.write(json.dumps({"schema": SCHEMA, **body}, indent=2, ensure_ascii=False) + "\n")

    def say(self, text: str) -> None:
        """A line of talk: progress, advice."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """A line that asks for the reader's attention; not silenced by `--quiet`."""
        sys.stderr.write(f"warning: {text}\n")

    @property
    def is_terminal(self) -> bool:
        """Whether stdout is a terminal that a person looks at."""
        return sys.stdout.isatty()

    def rich(self) -> "RichConsole":
        """A rich console on stdout, for tables and live views."""
        from rich.console import Console as RichConsole

        return RichConsole(no_color=not self.color, highlight=False, soft_wrap=not sys.stdout.isatty())
