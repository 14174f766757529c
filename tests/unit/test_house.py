"""The house keeps its measure: small functions, modules and classes, few parameters, a test for each source file."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "llm_router"
FUNCTION, MODULE, CLASS, PARAMETERS = 40, 400, 250, 6

# What is over a limit today. Nothing may be added, and what has come within its limit must leave.
OVER = frozenset(
    {
        "cli/commands/key.py:create()",  # one option for each limit of a key
    }
)


def measured() -> Iterator[tuple[str, int, int]]:
    """Name, size and limit of everything that is measured. `self` and `cls` are no parameters."""
    for path in sorted(SOURCES.rglob("*.py")):
        text = path.read_text()
        name = str(path.relative_to(SOURCES))
        yield name, text.count("\n"), MODULE
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                yield f"{name}:{node.name}", lines(node), CLASS
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", lines(node), FUNCTION
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                counted = [one for one in given if one.arg not in {"self", "cls", "ctx"}]
                yield f"{name}:{node.name}()", len(counted), PARAMETERS


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """How many lines a definition has, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_sizes():
    """What is over a limit stands in the list, and the list holds nothing else."""
    over = {name for name, size, limit in measured() if size > limit}

    assert over - OVER == set(), "too large now"
    assert OVER - over == set(), "within its limit again: take it off the list"


def test_inner_packages_are_empty():
    """Nobody imports through a package's face."""
    faces = [path for path in SOURCES.rglob("__init__.py") if path.parent != SOURCES]

    assert [str(path.relative_to(SOURCES)) for path in faces if path.read_text().strip()] == []
    assert len(faces) > 10
