"""Where each setting comes from: a flag, an environment variable, a line of the file, or what ships."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llm_router.config.document import KeyPath, dotted
from llm_router.config.load import Loaded
from llm_router.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Explanation:
    """One setting: its dotted path, its value, and its origin (`flag`, `env`, `file`, `default`) with the place."""

    key: str
    value: object
    origin: str
    place: str


def explain(loaded: Loaded, key: str) -> list[Explanation]:
    """The setting `key`, or all settings below it; an empty key means all. Raises UnknownName."""
    values = loaded.settings.model_dump(mode="json")
    path, value = _descend(values, key)
    return [Explanation(dotted(leaf), held, *_origin(loaded, leaf)) for leaf, held in _leaves(value, path)]


def _descend(values: Mapping[str, object], key: str) -> tuple[KeyPath, object]:
    path: KeyPath = ()
    value: object = values
    rest = key
    while rest:
        found = _step(value, rest)
        if found is None:
            raise UnknownName("setting", key, _known(value, path))
        part, value, rest = found
        path = (*path, part)
    return path, value


def _step(value: object, rest: str) -> tuple[str | int, object, str] | None:
    """The longest key of `value` that `rest` begins with, its value, and what remains of `rest`."""
    if isinstance(value, list):
        index, bracket, after = rest.removeprefix("[").partition("]")
        if rest.startswith("[") and bracket and index.isdecimal() and int(index) < len(value):
            return int(index), value[int(index)], after.removeprefix(".")
        return None
    if not isinstance(value, Mapping):
        return None
    for name in sorted(map(str, value), key=len, reverse=True):
        if rest == name:
            return name, value[name], ""
        if rest.startswith((f"{name}.", f"{name}[")):
            return name, value[name], rest[len(name) :].removeprefix(".")
    return None


def _known(value: object, path: KeyPath) -> list[str]:
    if isinstance(value, Mapping):
        return [dotted((*path, str(name))) for name in value]
    if isinstance(value, list):
        return [dotted((*path, index)) for index in range(len(value))]
    return [dotted(path)]


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, Mapping) and value:
        for name, held in value.items():
            yield from _leaves(held, (*path, name))
    elif isinstance(value, list) and value:
        for index, held in enumerate(value):
            yield from _leaves(held, (*path, index))
    else:
        yield path, value


def _origin(loaded: Loaded, path: KeyPath) -> tuple[str, str]:
    for override in reversed(loaded.overrides):
        if override.path == path[: len(override.path)]:
            return override.origin, override.place
    held: object = loaded.document.value
    for depth, part in enumerate(path):
        if isinstance(held, Mapping) and part in held:
            held = held[str(part)]
        elif isinstance(held, list) and isinstance(part, int) and part < len(held):
            held = held[part]
        elif isinstance(held, Mapping | list) or held is None or not depth:
            return "default", "ships with llm-router"
        else:
            break  # a single candidate written as text instead of a list
    line = loaded.document.line_of(path)
    return "file", f"{loaded.document.place}:{line}" if line else loaded.document.place
