"""Everything a check may look at, read when the first one asks and then kept for the others."""

import json
import os
import shutil
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_router.errors import RouterError
from llm_router.home import Home

if TYPE_CHECKING:
    from llm_router.config.load import Loaded
    from llm_router.routing.plan import Plan

ANSWER_LIMIT = 2.0


def _free_bytes(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def install_translator(context: "Context") -> None:
    """Make LiteLLM's environment anew, as `router bootstrap` does. Raises InstallFailed, HomeError."""
    from llm_router.translator.environment import Installer

    Installer(context.home, context.environ, lambda line: None).install()


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked of the machine, so that a test can have another one."""

    wall: Callable[[], float] = time.time
    free_bytes: Callable[[Path], int] = _free_bytes
    python: tuple[int, ...] = tuple(sys.version_info[:3])
    system: str = sys.platform
    resolver: Path = Path("/etc/resolv.conf")
    packages: Path = Path(sysconfig.get_path("purelib"))


@dataclass(frozen=True, slots=True)
class Context:
    """One home, seen by one examination. Threads share it; each thing is read once."""

    home: Home
    config: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    machine: Machine = field(default_factory=Machine)
    install: Callable[["Context"], None] = install_translator
    _held: dict[str, Any] = field(default_factory=dict, repr=False)
    _locks: dict[str, threading.Lock] = field(default_factory=dict, repr=False)

    def fresh(self) -> "Context":
        """The same home, with nothing read yet."""
        return replace(self, _held={}, _locks={})

    @property
    def person(self) -> Path:
        """The user's own folder."""
        return Path(self.environ.get("HOME") or Path.home())

    @property
    def loaded(self) -> "Loaded | None":
        """The configuration, or None when it is missing or wrong."""
        held = self.once("config", self._load)
        return None if isinstance(held, RouterError) else held

    @property
    def config_error(self) -> RouterError | None:
        """Why there is no configuration."""
        held = self.once("config", self._load)
        return held if isinstance(held, RouterError) else None

    @property
    def plan(self) -> "Plan | None":
        """The compiled plan, or None when there is none or it cannot be read."""
        return self.once("plan", self._read_plan)

    @property
    def status(self) -> Mapping[str, Any] | None:
        """The supervisor's answer to `status`, or None when nobody answers."""
        held = self.once("status", self._ask)
        return None if isinstance(held, RouterError) else held

    @property
    def silence(self) -> RouterError | None:
        """Why the supervisor did not answer."""
        held = self.once("status", self._ask)
        return held if isinstance(held, RouterError) else None

    @property
    def runs(self) -> bool:
        """Whether a supervisor serves this home."""
        return self.status is not None

    @property
    def units(self) -> tuple[Mapping[str, Any], ...]:
        """UnitReports; none when nothing runs."""
        return tuple((self.status or {}).get("units", ()))

    @property
    def door(self) -> tuple[str, int] | None:
        """Where clients reach the gateway: what runs or was compiled, else what is configured."""
        if self.loaded is not None and not self.runs:
            gateway = self.loaded.settings.gateway
            return gateway.host, gateway.port
        return (self.plan.gateway.host, self.plan.gateway.port) if self.plan is not None else None

    @property
    def translates(self) -> bool:
        """Whether LiteLLM is wanted; taken as wanted when nobody can say."""
        if self.loaded is not None:
            return self.loaded.settings.litellm.enabled
        return self.plan.translator.enabled if self.plan is not None else True

    def once[T](self, name: str, make: Callable[[], T]) -> T:
        """What `make` gave the first time that anybody asked under this name."""
        with self._locks.setdefault(name, threading.Lock()):
            if name not in self._held:
                self._held[name] = make()
            held: T = self._held[name]
            return held

    def _load(self) -> "Loaded | RouterError":
        from llm_router.config.load import load

        try:
            return load(self.config, environ=self.environ)
        except RouterError as error:
            return error

    def _read_plan(self) -> "Plan | None":
        from llm_router.routing.plan import Plan

        try:
            return Plan.from_json(self.home.plan.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _ask(self) -> "Mapping[str, Any] | RouterError":
        from llm_router.control.supervisor import SupervisorClient

        try:
            return SupervisorClient(self.home).call("status", timeout=ANSWER_LIMIT)
        except RouterError as error:
            return error


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds; empty when it is not there or holds none."""
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
