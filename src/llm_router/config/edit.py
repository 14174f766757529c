"""Replacing a configuration file with the one before it kept beside it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_router.config.document import decode
from llm_router.config.load import Loaded
from llm_router.config.load import decode as decode_settings
from llm_router.home import HomeError, close_folder, explain, write_private

_HEADER = """\
# Written by `router config migrate` from an older configuration.
# `router config validate` checks it, `router config explain KEY` says where a value comes from.
"""


def migrated_text(loaded: Loaded) -> str:
    """The version 3 text of a migrated configuration, proven to decode to the same settings. Raises ConfigError."""
    text = _HEADER + as_yaml(loaded.document.value)
    again = decode_settings(decode(text, "the migrated configuration"), loaded.path, overrides=loaded.overrides)
    if again.settings != loaded.settings:
        raise AssertionError("the migrated text does not mean what the older configuration means")
    return text


def migrate_file(loaded: Loaded, target: Path, *, only_print: bool = False) -> list[str]:
    """Write a migrated configuration to `target`; returns what to tell its owner. Raises ConfigError, HomeError."""
    if not loaded.migrated:
        return [f"{loaded.path}: is version 3 already"]
    text = migrated_text(loaded)
    if only_print:
        return text.rstrip("\n").split("\n")
    backup = replace_file(target, text)
    return [f"config={target}", f"backup={backup or loaded.path}"]


def as_yaml(value: dict[str, Any]) -> str:
    """A mapping of plain values as YAML, in its own order."""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def replace_file(path: Path, text: str, *, now: datetime | None = None) -> Path | None:
    """Write `text` to `path`; what stood there is kept as `<name>.<time>.bak`, whose path is returned.

    Raises HomeError; `path` is then as it was.
    """
    backup: Path | None = None
    try:
        if not path.parent.exists():
            close_folder(path.parent)
        held = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise HomeError(f"`{path}` cannot be replaced: {explain(error)}") from error
    if held is not None:
        backup = _free_name(path, now or datetime.now(UTC))
        write_private(backup, held)
    write_private(path, text.encode())
    return backup


def _free_name(path: Path, now: datetime) -> Path:
    stem = f"{path.name}.{now:%Y%m%dT%H%M%SZ}"
    names = [path.with_name(f"{stem}.bak"), *(path.with_name(f"{stem}.{number}.bak") for number in range(1, 100))]
    return next(name for name in names if not name.exists())
