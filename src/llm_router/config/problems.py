"""What is wrong with a configuration: each problem with its file, line and path, all of them in one error."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_router.errors import UsageError

UNHARMED = "Nothing was written, and what runs keeps running"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` is 0 when no line of the file is to blame (an environment variable, a missing key)."""

    place: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """`file:line: path: message`."""
        where = f"{self.place}:{self.line}" if self.line else self.place
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(UsageError):
    """The configuration cannot be used."""

    code = "config.invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """`problems`: at least one, in the order of the file."""
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        message = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems in the configuration", *lines])
        hints = dict.fromkeys(problem.hint for problem in self.problems if problem.hint)
        super().__init__(message, hints=[*hints, "`router config validate` checks the file again"], unharmed=UNHARMED)

    def as_json(self) -> dict[str, object]:
        """The error object, with `problems` as a list of its own."""
        return {**super().as_json(), "problems": [asdict(problem) for problem in self.problems]}


class ConfigMissing(UsageError):
    """There is no configuration where one is looked for."""

    code = "config.missing"

    def __init__(self, path: Path) -> None:
        """`path` is where it was looked for."""
        super().__init__(
            f"There is no configuration at `{path}`",
            hints=["Run `router bootstrap` to have one written", "Or name one with `--config FILE`"],
            unharmed=UNHARMED,
        )
