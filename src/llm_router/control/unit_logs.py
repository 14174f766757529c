"""The log files of units, by name."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from llm_router.errors import UnknownName
from llm_router.home import Home
from llm_router.journal import tail

SUPERVISOR = "supervisor"


def log_files(home: Home, names: list[str]) -> Mapping[str, Path]:
    """The log of each named unit, of all for none or `all`. Raises UnknownName."""
    from llm_router.control.runtime import idle_units

    known = dict.fromkeys(str(unit["unit"]) for unit in idle_units(home))
    known |= dict.fromkeys(sorted(path.stem for path in home.logs.glob("*.log")))
    known |= {SUPERVISOR: None}
    for name in names:
        if name not in known and name != "all":
            raise UnknownName("unit", name, (*known, "all"))
    return {name: home.log(name) for name in known if not names or "all" in names or name in names}


def recent(files: Mapping[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """The last lines of each file, as (unit, line)."""
    for unit, path in files.items():
        for line in tail.last_lines(path, lines):
            yield unit, line


def follow_logs(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """The lines that are written after this call, as (unit, line), without end."""
    names = {path: unit for unit, path in files.items()}
    return ((names[path], line) for path, line in tail.follow(list(files.values())))
