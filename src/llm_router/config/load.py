"""From a configuration file to frozen settings that know where each value came from.

Flags go before environment variables, these before the file, and the file before what ships.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from llm_router.config import checks, document, migrate
from llm_router.config.document import Document, KeyPath, dotted
from llm_router.config.environment import Override, from_environment
from llm_router.config.known_keys import known_keys
from llm_router.config.literals import literal_secrets
from llm_router.config.problems import ConfigError, ConfigMissing, Problem
from llm_router.config.profiles import with_embedded
from llm_router.config.schema import Settings

LEGACY_NAME = "routertool.yaml"

_PLAIN_WORDS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text; put it in quotes if it looks like something else",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "is not a name that is allowed here",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, the file they were read from, what overrode it, and what its owner should know."""

    settings: Settings
    path: Path
    document: Document
    overrides: tuple[Override, ...] = ()
    notices: tuple[str, ...] = ()
    migrated: bool = False


def load(path: Path, *, environ: Mapping[str, str], flags: Sequence[Override] = ()) -> Loaded:
    """Decode the configuration at `path`. Raises ConfigMissing, or ConfigError with everything that is wrong."""
    found = locate(path)
    if found is None:
        raise ConfigMissing(path)
    return decode(document.read(found), found, overrides=(*from_environment(environ), *flags))


def locate(path: Path) -> Path | None:
    """`path`, or an older `routertool.yaml` that stands where it used to when there is no `path`; else None."""
    older = (path.with_name(LEGACY_NAME), path.parent.parent / "config" / LEGACY_NAME)
    candidates = (path, *older) if path.name == "router.yaml" else (path,)
    return next((candidate for candidate in candidates if candidate.exists()), None)


def decode(held: Document, path: Path, *, overrides: Sequence[Override] = ()) -> Loaded:
    """Validate a decoded file, of any version. Raises ConfigError."""
    older = migrate.is_older(held.value)
    migration = migrate.migrate(held, path.parent) if older else None
    current = Document(held.place, migration.document, migration.lines) if migration else held
    settings = _settings(current, overrides)
    return Loaded(settings, path, current, tuple(overrides), migration.notices if migration else (), older)


def _settings(held: Document, overrides: Sequence[Override]) -> Settings:
    literals = [
        Problem(held.place, held.line_of(path), dotted(path), message, hint)
        for path, message, hint in literal_secrets(held.value)
    ]
    try:
        settings = Settings.model_validate(_overridden(with_embedded(held.value), overrides))
    except ValidationError as error:
        known = {problem.path for problem in literals}
        schema = [_translated(details, held, overrides) for details in _told_apart(error)]
        raise _sorted([*literals, *(problem for problem in schema if problem.path not in known)]) from None
    problems = [*literals, *(_found(held, path, message, overrides) for path, message in checks.findings(settings))]
    if problems:
        raise _sorted(problems)
    return settings


def _told_apart(error: ValidationError) -> list[ErrorDetails]:
    """The errors without those that follow from another: a list whose one item is refused is not an empty list."""
    found = error.errors(include_url=False)
    inside = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in inside]


def _sorted(problems: list[Problem]) -> ConfigError:
    return ConfigError(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def _overridden(value: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    for override in overrides:
        value = _with(value, override.path, override.value)
    return value


def _with(value: object, path: KeyPath, new: object) -> Any:  # noqa: ANN401 - a document is made of any values
    if not path:
        return new
    if value is None or isinstance(value, Mapping):
        return {**(value or {}), path[0]: _with((value or {}).get(path[0]), path[1:], new)}
    return value


def _translated(details: ErrorDetails, held: Document, overrides: Sequence[Override]) -> Problem:
    """A validation error in plain words. It never repeats the value, which may be a secret."""
    path = details["loc"]
    if path[-1:] == ("[key]",) and details["type"] != "extra_forbidden":
        path = path[:-1]  # a mapping's key is at fault, not its value
    context = details.get("ctx", {})
    hint = str(context.get("hint", ""))
    match details["type"]:
        case "extra_forbidden":
            message = _unknown_key(path)
        case "literal_error" | "enum":
            message = f"must be {context.get('expected', 'another value')}"
        case "missing" if path == ("config_version",):
            message = "is missing; write `config_version: 3` at the top"
        case kind:
            message = _PLAIN_WORDS.get(kind) or details["msg"].replace("Input should be", "must be")
    return _found(held, path, message, overrides, hint)


def _found(held: Document, path: KeyPath, message: str, overrides: Sequence[Override], hint: str = "") -> Problem:
    for override in overrides:
        if override.path == path:
            return Problem(override.place, 0, dotted(path), message, hint)
    return Problem(held.place, held.line_of(path), dotted(path), message, hint)


def _unknown_key(path: KeyPath) -> str:
    known = known_keys(path[:-1])
    near = get_close_matches(str(path[-1]), known, n=1)
    if near:
        return f"there is no such key; did you mean `{near[0]}`?"
    return f"there is no such key; known here: {', '.join(known)}"
