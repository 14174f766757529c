"""The error tree: what a user can meet, the exit code it ends with, and what to do about it.

    RouterError                 exit 1   the answer is no, or the user can mend it
    └── UsageError              exit 2   bad arguments or bad configuration

Rooms define their own errors as subclasses beside the code that raises them. A subclass's docstring is its meaning in
the generated reference; `code` is stable and is what `--json`, docs and tests use.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of the `router` command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class RouterError(Exception):
    """Something the user can read, understand and act on."""

    code: ClassVar[str] = "router.error"
    exit_code: ClassVar[Exit] = Exit.FAILURE

    def __init__(self, message: str, *, hints: Sequence[str] = (), unharmed: str = "") -> None:
        """`message`: one sentence, no full stop; `unharmed`: what was left as it was; `hints`: what to run next."""
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)
        self.unharmed = unharmed

    def causes(self) -> tuple[str, ...]:
        """The chain of causes below this error, nearest first, one line each."""
        found: list[str] = []
        cause = self.__cause__
        while cause is not None:
            found.append(str(cause) or type(cause).__name__)
            cause = cause.__cause__
        return tuple(found)

    def as_json(self) -> dict[str, object]:
        """The `error` object of `--json` output and of the control socket."""
        return {
            "code": self.code,
            "message": self.message,
            "causes": list(self.causes()),
            "unharmed": self.unharmed,
            "hints": list(self.hints),
            "exit_code": int(self.exit_code),
        }


class UsageError(RouterError):
    """The command line or the configuration is wrong."""

    code = "usage.invalid"
    exit_code = Exit.USAGE


class UnknownName(UsageError):
    """A name was given that does not exist."""

    code = "usage.unknown_name"

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """`kind` is what was looked up, e.g. `profile`; `known` are the names that exist."""
        self.kind, self.name, self.known = kind, name, nearest_first(name, known)
        listed = ", ".join(self.known) or "none"
        near = get_close_matches(name, self.known, n=1)
        hints = [f"Did you mean `{near[0]}`?"] if near else []
        super().__init__(f"There is no {kind} `{name}`; known: {listed}", hints=hints)


class RemoteError(RouterError):
    """An error that another llm-router process reported: code, hints and exit code are its own."""

    def __init__(self, report: dict[str, object]) -> None:
        """`report` has the shape of `RouterError.as_json`."""
        hints = report.get("hints")
        super().__init__(
            str(report.get("message", "unknown error")),
            hints=[str(hint) for hint in hints] if isinstance(hints, list) else [],
            unharmed=str(report.get("unharmed", "")),
        )
        causes = report.get("causes")
        self._causes = tuple(str(cause) for cause in causes) if isinstance(causes, list) else ()
        self.code = str(report.get("code", self.code))  # type: ignore[misc]
        self.exit_code = Exit(int(str(report.get("exit_code", 1))))  # type: ignore[misc]

    def causes(self) -> tuple[str, ...]:
        """The causes as the other process listed them."""
        return self._causes


def nearest_first(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The names that exist, those that look like `name` first, the rest in alphabetical order."""
    ordered = sorted(known)
    near = get_close_matches(name, ordered, n=len(ordered) or 1, cutoff=0.4)
    return (*near, *(other for other in ordered if other not in near))
