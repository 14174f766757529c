"""Whether LiteLLM's environment holds what the lock says, byte for byte where it matters most."""

import base64
import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_router.errors import RouterError
from llm_router.translator.launch import MARKER, REQUIREMENTS, locked_version, site_packages

# Releases that were published with a credential thief inside, by distribution.
KNOWN_BAD: dict[str, frozenset[str]] = {
    name: frozenset(versions)
    for name, versions in json.loads(Path(__file__).with_name("known_bad_releases.json").read_bytes()).items()
}
# A .pth file runs code at every start of Python, which is how the thief came in; these are known ones.
KNOWN_PTH = frozenset({"_virtualenv.pth", "distutils-precedence.pth"})
_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;\\]+)\s*(?P<marker>;)?")
_SHOWN = 3


class DamagedEnvironment(RouterError):
    """LiteLLM's environment does not hold what the lock says."""

    code = "translator.damaged"

    def __init__(self, problem: str) -> None:
        """`problem`: a phrase that says what differs."""
        self.problem = problem
        super().__init__(
            f"LiteLLM's environment is damaged: {problem}",
            hints=["Run `router bootstrap`: it makes the environment anew"],
            unharmed="Requests that need no translation are served as before",
        )


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of the lock. `always`: whether it is installed on every platform."""

    name: str
    version: str
    always: bool


def locked() -> dict[str, Locked]:
    """Every distribution of the lock, by its normalized name."""
    found = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if parts := _LINE.match(line):
            name = _normalized(parts["name"])
            found[name] = Locked(name, parts["version"], always=parts["marker"] is None)
    return found


def verify(environment: Path) -> None:
    """Compare the environment with the lock, and LiteLLM's files with its record. Raises DamagedEnvironment."""
    packages = site_packages(environment)
    for problem in (*distribution_problems(packages), *_startup_problems(packages), *_file_problems(packages)):
        raise DamagedEnvironment(problem)


def fingerprint(environment: Path) -> str:
    """Names, sizes and times of LiteLLM's files as one digest: equal means untouched. Raises OSError."""
    packages = site_packages(environment)
    digest = hashlib.sha256()
    for name, _ in _record(packages):
        held = os.stat(packages / name)  # noqa: PTH116 - thousands of files: the bare call costs half
        digest.update(f"{name}\0{held.st_size}\0{held.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def touched(environment: Path) -> bool:
    """Whether LiteLLM's files differ from what was installed, judged in tens of milliseconds."""
    try:
        marked = (environment / MARKER).read_text(encoding="ascii").split("\n")
        return len(marked) < 2 or marked[1] != fingerprint(environment)
    except (OSError, UnicodeDecodeError):
        return True


def distribution_problems(packages: Path) -> Iterator[str]:
    """How the distributions in a site-packages folder differ from the lock, a phrase for each."""
    wanted, held = locked(), dict(installed(packages))
    for name, version in held.items():
        if version in KNOWN_BAD.get(name, frozenset()):
            yield f"{name} {version} is a release that steals credentials"
    for name, entry in wanted.items():
        if entry.always and name not in held:
            yield f"{name} {entry.version} is missing"
    for name, version in held.items():
        if name not in wanted:
            yield f"{name} {version} is not in the lock"
        elif version != wanted[name].version:
            yield f"{name} is {version}, and the lock says {wanted[name].version}"


def installed(packages: Path) -> Iterator[tuple[str, str]]:
    """Normalized name and version of each distribution in a site-packages folder."""
    for folder in sorted(packages.glob("*.dist-info")):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        yield _normalized(name), version


def _startup_problems(packages: Path) -> Iterator[str]:
    for path in sorted(packages.glob("*.pth")):
        if path.name not in KNOWN_PTH:
            yield f"`{path.name}` would run code at every start"
    for name in ("sitecustomize.py", "usercustomize.py"):
        if (packages / name).exists():
            yield f"`{name}` would run code at every start"


def _file_problems(packages: Path) -> Iterator[str]:
    try:
        changed = [name for name, digest in _record(packages) if _digest(packages / name) != digest]
    except OSError as error:
        yield f"LiteLLM's record cannot be read ({error.strerror})"
        return
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        yield f"{', '.join(f'`{name}`' for name in changed[:_SHOWN])}{more} differ from the published release"


def _record(packages: Path) -> Iterator[tuple[str, str]]:
    """Each file of LiteLLM with the digest that its wheel recorded; not the scripts that the installer wrote."""
    path = packages / f"litellm-{locked_version()}.dist-info" / "RECORD"
    with path.open(encoding="utf-8", newline="") as file:
        for name, digest, _ in csv.reader(file):
            if digest and not name.startswith(".."):
                yield name, digest


def _digest(path: Path) -> str:
    try:
        found = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return "missing"
    return "sha256=" + base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
