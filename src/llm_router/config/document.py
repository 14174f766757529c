"""YAML or JSON text into plain values, with the line of every key and item."""

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from llm_router.config.problems import ConfigError, ConfigMissing, Problem
from llm_router.home import explain

LARGEST_FILE = 4 * 1024 * 1024
MOST_NODES = 100_000
DEEPEST = 64

type KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded file: its top mapping and, for each path in it, the line it stands on."""

    place: str
    value: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line_of(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest thing around it that stands in the file; else 0."""
        for length in range(len(path), 0, -1):
            if line := self.lines.get(path[:length]):
                return line
        return 0


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML whose scalars are text, numbers, booleans or null: a date such as 2025-01-31 stays text."""


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map"))
_MERGE = "tag:yaml.org,2002:merge"
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS or tag == _MERGE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> Document:
    """Decode the file at `path`. Raises ConfigMissing or ConfigError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigMissing(path) from None
    except OSError as error:
        raise _broken(str(path), 0, f"the file cannot be read: {explain(error)}") from error
    if len(content) > LARGEST_FILE:
        raise _broken(str(path), 0, "the file is larger than 4 MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _broken(str(path), content.count(b"\n", 0, error.start) + 1, "the file is not UTF-8 text") from None
    return decode(text, str(path))


def decode(text: str, place: str) -> Document:
    """Decode YAML or JSON; `place` names its source in errors. Raises ConfigError."""
    as_json = _json_value(text)
    try:
        # JSON may be indented with tabs, YAML may not; a tab never stands inside a JSON string.
        loader = _PlainLoader(text if as_json is None else text.replace("\t", " "))
        node = loader.get_single_node()
        if node is None:
            raise _broken(place, 0, "the file is empty")
        if not isinstance(node, yaml.MappingNode):
            raise _broken(place, _line(node), "the file must be a mapping, such as `config_version: 3`")
        lines = _Walk(place).lines_of(node)
        value = loader.construct_document(node) if as_json is None else as_json
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _broken(place, 0, "the file holds half of a surrogate pair, which is no character") from None
    except yaml.YAMLError as error:
        raise _broken(place, *_told(error)) from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise _broken(place, 0, f"the file holds a value that cannot be read: {error}") from None
    return Document(place, value, lines)


def _json_value(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None


def _broken(place: str, line: int, message: str) -> ConfigError:
    return ConfigError([Problem(place, line, "", message)])


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _told(error: yaml.YAMLError) -> tuple[int, str]:
    """The line of a YAML error and what it says, in one sentence."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "unreadable"
        return (mark.line + 1 if mark else 0), f"the YAML is broken: {said}"
    return 0, "the YAML is broken: the file holds a character that is not allowed"


class _Walk:
    """One pass over a node tree: lines, double keys, foreign tags, and bounds on what aliases unfold to."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lines: dict[KeyPath, int] = {}
        self._problems: list[Problem] = []
        self._nodes = 0

    def lines_of(self, top: yaml.MappingNode) -> dict[KeyPath, int]:
        self._visit(top, ())
        if self._problems:
            raise ConfigError(self._problems)
        return self._lines

    def _visit(self, node: yaml.Node, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES or len(path) > DEEPEST:
            raise _broken(self._place, _line(node), "the file is nested too deeply, or an alias holds itself")
        if node.tag not in _PLAIN_TAGS:
            raise _broken(self._place, _line(node), f"the tag `{node.tag}` is not known here")
        if isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._lines[(*path, index)] = _line(item)
                self._visit(item, (*path, index))

    def _visit_mapping(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = _line(key)
            if key.tag == _MERGE:
                self._visit_merged(value, path)
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                named = f"`{key.value}`" if isinstance(key, yaml.ScalarNode) else "this one"
                message = f"a key must be text; write {named} in quotes"
                self._problems.append(Problem(self._place, line, dotted(path), message))
                continue
            if key.value in seen:
                message = f"the key stands here twice; it was first on line {seen[key.value]}"
                self._problems.append(Problem(self._place, line, dotted((*path, key.value)), message))
            seen.setdefault(key.value, line)
            self._lines[(*path, key.value)] = line
            self._visit(value, (*path, key.value))

    def _visit_merged(self, value: yaml.Node, path: KeyPath) -> None:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            self._visit(source, path)


def dotted(path: KeyPath) -> str:
    """`("models", "a", 0)` as `models.a[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
