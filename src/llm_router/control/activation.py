"""Putting a profile in force: compile, write the three files the rest reads, and have what runs take them.

The files are written one by one, each as a whole, `state.json` last; a lock keeps two commands from mixing theirs.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llm_router.errors import RemoteError, RouterError
from llm_router.home import FILE_MODE, Home, HomeError, explain, write_private
from llm_router.journal.events import EventLog
from llm_router.routing.plan import Plan

if TYPE_CHECKING:
    from llm_router.config.schema import Settings

STATE_SCHEMA = 1

type Progress = Callable[[Mapping[str, object]], None]


class ActivationFailed(RouterError):
    """A profile was compiled, but what runs did not take it."""

    code = "profile.not_applied"

    def __init__(self, profile: str, cause: RouterError, *, previous: str) -> None:
        """`previous` is the profile that is in force again, empty when there was none."""
        self.profile, self.previous = profile, previous
        kept = f"the files of the profile `{previous}`" if previous else "the folder as it was before"
        served = "; requests are served as before" if isinstance(cause, RemoteError) else ""
        super().__init__(
            f"The profile `{profile}` was not taken by what runs",
            hints=[*cause.hints, "`router status` shows what runs"],
            unharmed=f"Restored {kept}{served}",
        )


@dataclass(frozen=True, slots=True)
class State:
    """`state.json`: the active profile, and the `profile` key of the configuration when it was activated."""

    profile: str
    starting: str
    generation: int
    updated_at: str  # ISO 8601, UTC

    def to_json(self) -> bytes:
        """The text of the file."""
        body = {
            "schema": STATE_SCHEMA,
            "profile": self.profile,
            "starting": self.starting,
            "generation": self.generation,
            "updated_at": self.updated_at,
        }
        return (json.dumps(body, indent=2) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Activation:
    """What an activation wrote: the plan, its state, the files that changed, and what stood in all of them before."""

    plan: Plan
    state: State
    changed: tuple[Path, ...] = ()
    previous: Mapping[Path, bytes | None] = field(default_factory=dict, repr=False)

    @property
    def previous_profile(self) -> str:
        """The profile that was active before, or empty."""
        held = next((content for path, content in self.previous.items() if path.name == "state.json"), None)
        state = _parse_state(held)
        return state.profile if state else ""


def read_state(home: Home) -> State | None:
    """The active profile, or None when none was activated yet or the file is damaged."""
    return _parse_state(_read(home.state))


def wanted_profile(home: Home, settings: "Settings") -> str:
    """The profile to start with: the one last set, unless it is gone or the configuration's `profile` has changed."""
    state = read_state(home)
    if state is None or state.starting != settings.profile or state.profile not in settings.profiles:
        return settings.profile
    return state.profile


def activate(home: Home, settings: "Settings", profile: str, *, now: datetime | None = None) -> Activation:
    """Compile `profile` and write what changed. Raises UnknownName, HomeError or, from the translator, BadBase."""
    plan, translator = compiled(settings, profile)
    home.create()
    with _locked(home):
        previous = {path: _read(path) for path in (home.translator_config, home.plan, home.state)}
        contents = {home.translator_config: translator, home.plan: plan.to_json()}
        held = _parse_state(previous[home.state])
        changed = tuple(path for path, content in contents.items() if previous[path] != content)
        if held and not changed and (held.profile, held.starting) == (profile, settings.profile):
            return Activation(plan, held, (), previous)
        state = State(
            profile=profile,
            starting=settings.profile,
            generation=(held.generation if held else 0) + 1,
            updated_at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        )
        activation = Activation(plan, state, (*changed, home.state), previous)
        try:
            for path in changed:
                write_private(path, contents[path])
            write_private(home.state, state.to_json())
        except HomeError:
            _restore(activation)
            raise
    return activation


def compiled(settings: "Settings", profile: str) -> tuple[Plan, bytes]:
    """The plan of a profile with the translator's digest in it, and LiteLLM's configuration."""
    from llm_router.config.compile import compile_plan
    from llm_router.translator.config import render

    plan = compile_plan(settings, profile)
    translator = render(plan, settings.litellm_base(profile))
    digest = hashlib.sha256(translator).hexdigest() if plan.translator.enabled else ""
    return replace(plan, translator=replace(plan.translator, digest=digest)), translator


def restore(home: Home, activation: Activation) -> None:
    """Put back the files that stood before an activation, unless a later one replaced them. Raises HomeError."""
    with _locked(home):
        if read_state(home) == activation.state:
            _restore(activation)


def apply_to_running(home: Home, wait: float, on_progress: Progress | None = None) -> Mapping[str, object] | None:
    """Have the supervisor take the compiled files; its answer, or None when it does not run. Raises RouterError."""
    from llm_router.control.supervisor import SupervisorClient, SupervisorNotRunning

    client = SupervisorClient(home)
    try:
        return client.call("apply", wait=wait, on_progress=on_progress)
    except SupervisorNotRunning:
        return None


@dataclass(frozen=True, slots=True)
class Switched:
    """The outcome of `switch_profile`: what was written, and the supervisor's answer (None when it does not run)."""

    activation: Activation
    applied: Mapping[str, object] | None


type Apply = Callable[[Home], Mapping[str, object] | None]


def switch_profile(home: Home, settings: "Settings", profile: str, *, apply: Apply) -> Switched:
    """Activate a profile and have it applied; if that fails, restore what was. Raises ActivationFailed, RouterError."""
    events = EventLog(home.events)
    activation = activate(home, settings, profile)
    try:
        applied = apply(home)
    except RouterError as error:
        restore(home, activation)
        events.write("profile_switch", result="failed", profile=profile, detail=error.message)
        raise ActivationFailed(profile, error, previous=activation.previous_profile) from error
    detail = "applied" if applied is not None else "nothing runs"
    events.write(
        "profile_switch", result="success", profile=profile, detail=detail, generation=activation.state.generation
    )
    return Switched(activation, applied)


def _restore(activation: Activation) -> None:
    for path in activation.changed:
        held = activation.previous[path]
        if held is None:
            path.unlink(missing_ok=True)
        else:
            write_private(path, held)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeError(f"`{path}` cannot be read: {explain(error)}", hints=[f"Run `chmod 600 {path}`"]) from error


def _parse_state(content: bytes | None) -> State | None:
    try:
        held = json.loads(content or b"")
        if held["schema"] != STATE_SCHEMA:
            return None
        return State(
            profile=str(held["profile"]),
            starting=str(held["starting"]),
            generation=int(held["generation"]),
            updated_at=str(held["updated_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    path = home.runtime / "activation.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise HomeError(f"`{path}` cannot be written: {explain(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
