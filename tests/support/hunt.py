"""The hunt for a secret: in files, in command lines, in the environments of processes, in what commands printed."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret's name, and where it was found; never the secret."""

    secret: str
    place: str


@dataclass(frozen=True, slots=True)
class Hunt:
    """`secrets` maps a name to the secret itself. `since` (epoch seconds): when the product began to run."""

    secrets: Mapping[str, str]
    since: float = 0.0

    def in_text(self, text: str, place: str) -> list[Hit]:
        """The secrets in a text, as they are or encoded."""
        return self.in_bytes(text.encode(errors="surrogateescape"), place)

    def in_bytes(self, content: bytes, place: str) -> list[Hit]:
        """The secrets in some bytes, as they are or encoded."""
        found = (name for name, secret in self.secrets.items() if any(form in content for form in forms(secret)))
        return [Hit(name, place) for name in found]

    def in_folder(self, folder: Path) -> list[Hit]:
        """The secrets in the files below a folder, and in their names."""
        hits: list[Hit] = []
        for path in files_below(folder, self.since):
            place = str(path.relative_to(folder))
            hits += self.in_text(place, f"the name {place}") + self.in_bytes(path.read_bytes(), place)
        return hits

    def in_command_lines(self) -> list[Hit]:
        """The secrets in the command line of any process of this machine, as `ps` shows it."""
        return [hit for pid, content in processes("cmdline") for hit in self.in_bytes(content, f"ps {pid}")]

    def in_environment(self, pid: int) -> list[Hit]:
        """The secrets in the environment that a process was started with."""
        return self.in_bytes((PROC / str(pid) / "environ").read_bytes(), f"environment of {pid}")


def forms(secret: str) -> tuple[bytes, ...]:
    """A secret as it is, percent-encoded, and in base64 at each of the three offsets."""
    plain = secret.encode()
    coded = [base64.b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4] for offset in range(3)]
    return (plain, quote(secret, safe="").encode(), *coded)


def files_below(folder: Path, since: float, *, installed: bool = False) -> Iterator[Path]:
    """Every regular file; in a virtual environment those that were written after `since`, not those installed."""
    installed = installed or (folder / "pyvenv.cfg").exists()
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path, since, installed=installed)
        elif path.is_file() and (not installed or path.stat().st_mtime > since):
            yield path


def processes(kind: str) -> Iterator[tuple[int, bytes]]:
    """`/proc/PID/<kind>` of every process that can be read."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / kind).read_bytes()
            except OSError:
                continue


def variables(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    pairs = (PROC / str(pid) / "environ").read_bytes().decode().split("\0")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}
