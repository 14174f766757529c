"""What `router bootstrap` does: the folder, the configuration, the local key, LiteLLM's environment. Twice is once."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from llm_router.home import FOLDER_MODE, Home, write_private
from llm_router.translator import environment, integrity, launch

NOTE = "bootstrap.json"  # under runtime/: when this home was last prepared, and what was done then


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that bootstrap would make. `problem`: a phrase that names it and what is wrong."""

    what: str  # home | config | key | litellm
    problem: str

    def as_json(self) -> dict[str, str]:
        """The object that `--check --json` lists."""
        return {"what": self.what, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Done:
    """What one run changed. `key`: the local client key if it was made now; it is shown this once."""

    changed: tuple[str, ...]
    key: str = ""


def bootstrap(
    home: Home, config: Path, *, environ: Mapping[str, str], say: Callable[[str], None], offline: bool = False
) -> Done:
    """Make what is missing and leave the rest alone. Raises HomeError, InstallFailed."""
    from llm_router.secrets.keys import create_local_key

    changed = _folders(home)
    if not config.exists():
        from llm_router.config.default import write_default_config

        if write_default_config(home):
            changed.append(f"wrote the default configuration, `{home.config}`")
    key = create_local_key(home)
    if key is not None:
        changed.append(f"made a client key, `{home.local_key}`")
    for line in changed:
        say(line[:1].upper() + line[1:])
    if environment.Installer(home, environ, say, offline).install():
        changed.append(f"installed LiteLLM {launch.locked_version()}")
    if changed:
        _note(home, changed)
    return Done(tuple(changed), key.reveal() if key is not None else "")


def _folders(home: Home) -> list[str]:
    existed = home.root.exists()
    made = home.create()
    return [f"made `{folder}` private" for folder in made] if existed else [f"made `{home.root}`, private to you"]


def missing(home: Home, config: Path) -> tuple[Missing, ...]:
    """What is missing or damaged; reads every file of LiteLLM, which takes about a second."""
    return tuple(_missing(home, config))


def _missing(home: Home, config: Path) -> Iterator[Missing]:
    from llm_router.config.load import locate

    folders = (home.keys, home.runtime, home.translator_folder, home.logs)
    for folder in (home.root, *(folders if home.root.is_dir() else ())):
        if not folder.is_dir():
            yield Missing("home", f"`{folder}` does not exist")
        elif folder.stat().st_mode & 0o777 != FOLDER_MODE:
            yield Missing("home", f"`{folder}` is open to others")
    if locate(config) is None:
        yield Missing("config", f"there is no configuration at `{config}`")
    if not os.access(home.local_key, os.R_OK):
        yield Missing("key", f"there is no client key at `{home.local_key}`")
    found = launch.installed_problem(home)
    if found is None:
        try:
            integrity.verify(home.translator_environment)
        except integrity.DamagedEnvironment as damaged:
            found = damaged.message
    if found is not None:
        yield Missing("litellm", found)


def _note(home: Home, changed: list[str]) -> None:
    note = {
        "schema": 1,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version("llm-router"),
        "litellm": launch.locked_version(),
        "changed": changed,
    }
    write_private(home.runtime / NOTE, (json.dumps(note, indent=2, ensure_ascii=False) + "\n").encode())
