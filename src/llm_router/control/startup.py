"""What `router up` does before anything runs: a home, a key, a configuration, and a plan that is not out of date.

When nothing changed since the plan was compiled, that is seen from a digest, and no configuration is decoded: decoding
costs as much time as starting the gateway.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_router.control.release import release
from llm_router.home import Home, write_private

OVERRIDES = "ROUTER_"
APPLY_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made now. `key`: the local client key if it was; it is shown this once."""

    made: tuple[str, ...] = ()
    compiled: bool = False
    key: str = ""


def prepare(home: Home, config: Path, environ: Mapping[str, str], warn: Callable[[str], None]) -> Prepared:
    """Make what is missing and cheap, and compile the active profile when its plan is out of date.

    What runs takes over a new plan. Raises ConfigError, HomeError, ActivationFailed.
    """
    made: list[str] = [f"made `{folder}` private" for folder in home.create()]
    key = _create_key(home)
    if not config.exists():
        from llm_router.config.default import write_default_config

        if config == home.config and write_default_config(home):
            made.append(f"wrote the default configuration, `{home.config}`")
    if key:
        made.append(f"made a client key, `{home.local_key}`")
    if is_current(home, config, environ):
        return Prepared(tuple(made), False, key)
    _compile(home, config, environ, warn)
    remember(home, config, environ)
    return Prepared(tuple(made), True, key)


def is_current(home: Home, config: Path, environ: Mapping[str, str]) -> bool:
    """Whether the compiled plan is what this configuration gives."""
    try:
        held = json.loads(_stamp(home).read_bytes())["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(held == _inputs(home, config, environ))


def remember(home: Home, config: Path, environ: Mapping[str, str]) -> None:
    """Note what the plan was compiled from. Raises HomeError."""
    write_private(_stamp(home), (json.dumps({"schema": 1, "inputs": _inputs(home, config, environ)}) + "\n").encode())


def _create_key(home: Home) -> str:
    if home.local_key.exists():
        return ""
    from llm_router.secrets.keys import create_local_key

    key = create_local_key(home)
    return key.reveal() if key is not None else ""


def _compile(home: Home, config: Path, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
    from llm_router.config.load import load
    from llm_router.control.activation import activate, apply_to_running, switch_profile, wanted_profile

    loaded = load(config, environ=environ)
    for notice in loaded.notices:
        warn(notice)
    profile = wanted_profile(home, loaded.settings)
    if home.supervisor_socket.exists():
        switch_profile(home, loaded.settings, profile, apply=lambda place: apply_to_running(place, APPLY_WAIT))
    else:
        activate(home, loaded.settings, profile)


def _inputs(home: Home, config: Path, environ: Mapping[str, str]) -> str:
    """A digest of all that decides about the compiled files, and of these files."""
    digest = hashlib.sha256(f"{release()}\0{config}\0{_compilers()}".encode())
    for name in sorted(environ):
        if name.startswith(OVERRIDES):
            digest.update(f"{name}={environ[name]}\0".encode("utf-8", "surrogateescape"))
    for path in (config, home.plan, home.translator_config, home.state):
        try:
            content = path.read_bytes()
        except OSError:
            content = b"missing"
        digest.update(f"{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _compilers() -> str:
    """The state of the code that compiles: in a checkout it changes without a new release."""
    package = Path(__file__).parent.parent
    rooms = ("config", "routing", "providers", "translator")
    files = sorted(path for room in rooms for path in (package / room).glob("*.*"))
    return "".join(f"{path.name}\0{(seen := path.stat()).st_mtime_ns}\0{seen.st_size}\0" for path in files)


def _stamp(home: Home) -> Path:
    return home.runtime / "compiled.json"
