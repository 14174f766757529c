"""The console: results go to stdout, talk goes to stderr, and nothing depends on colour or a terminal."""

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

SCHEMA = 1
# What a terminal obeys, and what turns the direction of a text: escapes in a name or an answer could rewrite the
# screen, the title or the clipboard. Tabs and line ends are left.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text with a `?` for each character that a terminal would obey instead of showing."""
    return _OBEYED.sub("?", text)


@dataclass(frozen=True, slots=True)
class Console:
    """Where a command prints. `quiet` silences talk, never results."""

    quiet: bool = False
    color: bool = True

    def result(self, text: str) -> None:
        """A line of the answer, for people and pipes."""
        sys.stdout.write(harmless(text) + "\n")

    def result_json(self, body: dict[str, object]) -> None:
        """The answer of a `--json` command: the body with its schema number."""
        text = json.dumps({"schema": SCHEMA, **body}, indent=2, ensure_ascii=False)
        sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def say(self, text: str) -> None:
        """A line of talk: progress, advice."""
        if not self.quiet:
            sys.stderr.write(harmless(text) + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """A line that asks for the reader's attention; not silenced by `--quiet`."""
        sys.stderr.write(f"warning: {harmless(text)}\n")

    @property
    def is_terminal(self) -> bool:
        """Whether stdout is a terminal that a person looks at."""
        return sys.stdout.isatty()

    def rich(self) -> "RichConsole":
        """A rich console on stdout, for tables and live views."""
        from rich.console import Console as RichConsole

        return RichConsole(no_color=not self.color, highlight=False, soft_wrap=not sys.stdout.isatty())
