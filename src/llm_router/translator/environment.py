"""LiteLLM's own virtual environment: made from the lock beside the old one, verified, and put in place as a whole.

A run that is interrupted leaves at most a folder named `litellm.new-…` or `litellm.old-…`; the next run takes a
finished one into use and removes the rest. One bootstrap works at a time: the lock is held by uv too, so that a uv
whose parent was killed is waited for.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from llm_router.errors import RouterError
from llm_router.home import FILE_MODE, Home, HomeError, explain, write_private
from llm_router.translator import integrity, launch
from llm_router.translator.integrity import DamagedEnvironment

type Say = Callable[[str], None]

_PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_PREFIXES = ("LC_", "UV_", "XDG_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# They would make uv install somewhere else, or something else.
_WITHHELD = ("UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_EXCLUDE_NEWER")
_TOLD = 12  # lines of uv's talk that an error shows


class InstallFailed(RouterError):
    """LiteLLM's environment could not be made."""

    code = "translator.install_failed"


class NotCached(InstallFailed):
    """An installation without a network lacks a package."""

    code = "translator.not_cached"


class UvFailed(Exception):
    """What uv said, as the cause of an InstallFailed."""


@dataclass(frozen=True, slots=True)
class Installer:
    """Makes the environment of one home. `environ` is the caller's; uv gets its own settings from it and no secret.

    Without `byte_compiled` it is there ten seconds sooner, and LiteLLM's first start takes five seconds longer.
    """

    home: Home
    environ: Mapping[str, str]
    say: Say
    offline: bool = False
    byte_compiled: bool = True

    def install(self) -> bool:
        """Make the environment unless a good one is in place. Returns whether it was made. Raises InstallFailed."""
        with self._alone():
            self._tidy()
            if problem(self.home) is None:
                return False
            self._make()
            return True

    def _make(self) -> None:
        version = launch.locked_version()
        if version in integrity.KNOWN_BAD["litellm"]:
            raise InstallFailed(f"LiteLLM {version} is a release that steals credentials; it is not installed")
        began = time.monotonic()
        self.say(f"LiteLLM {version}: installing {len(integrity.locked())} locked packages")
        new = self.home.translator_environment.with_name(f"litellm.new-{os.getpid()}")
        try:
            self._build(new)
            self._put_in_place(new)
        except OSError as error:
            raise InstallFailed(
                f"LiteLLM's environment cannot be written: {explain(error)}",
                hints=["Free some space (it takes 800 MB), then run `router bootstrap` again"],
                unharmed="What was installed before is as it was",
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        self.say(f"LiteLLM {version}: ready after {time.monotonic() - began:.1f} s")

    def _build(self, new: Path) -> None:
        self._uv("venv", "--quiet", "--relocatable", "--no-project", "--python", sys.executable, str(new))
        self._sync(new)
        self.say("  verifying")
        try:
            integrity.verify(new)
        except DamagedEnvironment as damaged:
            if self.offline:
                raise
            self.say(f"  {damaged.problem}: the cache is not to be trusted, fetching anew")
            self._sync(new, "--reinstall", "--no-cache")
            integrity.verify(new)
        marked = f"{launch.lock_digest()}\n{integrity.fingerprint(new)}\n"
        write_private(new / launch.MARKER, marked.encode())

    def _sync(self, new: Path, *extra: str) -> None:
        self._uv(
            *("pip", "sync", "--python", str(launch.interpreter(new)), "--require-hashes", "--no-build"),
            *(("--compile-bytecode",) if self.byte_compiled else ()),
            *("--no-progress", *extra, str(launch.REQUIREMENTS)),
        )

    def _uv(self, *arguments: str) -> None:
        from uv import find_uv_bin

        command = [find_uv_bin(), *(("--offline",) if self.offline else ()), *arguments]
        said: list[str] = []
        with subprocess.Popen(
            command,
            cwd=self.home.runtime,
            env=uv_environment(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            close_fds=False,  # the lock stays held for as long as uv works, also when this process is killed
        ) as uv:
            try:
                said += self._follow(uv.stderr or ())
            except BaseException:
                uv.terminate()
                raise
        if uv.returncode != 0:
            raise self._explained(said, arguments[0])

    def _follow(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            text = line.rstrip()
            if text and not text.startswith((" ", "Using Python")):
                self.say(f"  {text[:1].lower()}{text[1:]}")
            if self.byte_compiled and text.startswith("Installed "):
                self.say("  byte-compiling, the longest part")
            yield text

    def _explained(self, said: Sequence[str], step: str) -> InstallFailed:
        kept = "Nothing was changed"
        cause = UvFailed("\n    ".join(["uv said:", *[line for line in said if line][-_TOLD:]]))
        if self.offline:
            failed: InstallFailed = NotCached(
                "LiteLLM cannot be installed offline: uv has not all of its packages in its cache",
                hints=["Run `router bootstrap` once with a network"],
                unharmed=kept,
            )
        else:
            failed = InstallFailed(
                f"LiteLLM's environment could not be made: `uv {step}` failed",
                hints=["Mend what uv names, then run `router bootstrap` again"],
                unharmed=kept,
            )
        failed.__cause__ = cause
        return failed

    def _put_in_place(self, new: Path) -> None:
        place = self.home.translator_environment
        old = place.with_name(f"litellm.old-{os.getpid()}")
        if place.exists():
            place.rename(old)
        new.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def _tidy(self) -> None:
        """Finish or remove what an interrupted run left behind."""
        place = self.home.translator_environment
        for left in sorted(place.parent.glob("litellm.new-*")):
            if not place.exists() and _is_complete(left):
                self.say("Completing an installation that was interrupted")
                left.rename(place)
        for left in (*place.parent.glob("litellm.new-*"), *place.parent.glob("litellm.old-*")):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self.home.runtime / "bootstrap.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise HomeError(f"`{path}` cannot be opened: {explain(error)}") from error
        try:
            os.set_inheritable(descriptor, True)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("Another `router bootstrap` is at work: waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def problem(home: Home) -> str | None:
    """Why LiteLLM's environment is not as it was installed, as a phrase, or None. Judged in tens of milliseconds."""
    found = launch.installed_problem(home)
    if found is None and integrity.touched(home.translator_environment):
        try:
            integrity.verify(home.translator_environment)
        except DamagedEnvironment as damaged:
            return damaged.message
    return found


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What uv gets of the caller's environment: its own settings, the way to the network, and nothing secret."""
    names = {*_PASSED, *_PROXIES, *(name.lower() for name in _PROXIES)}
    kept = {
        name: value
        for name, value in environ.items()
        if (name in names or name.startswith(_PASSED_PREFIXES)) and name not in _WITHHELD
    }
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def _is_complete(environment: Path) -> bool:
    try:
        marked = (environment / launch.MARKER).read_text(encoding="ascii").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return False
    return marked == launch.lock_digest()
