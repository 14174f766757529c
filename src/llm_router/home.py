"""The `.router/` folder: every path in it, the mode of each, and the one way a file in it is written.

Folders are 0700 and files 0600, from the first byte. A file is replaced as a whole: new file, fsync, rename.
"""

import contextlib
import errno
import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_router.errors import RouterError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
# sun_path holds 108 bytes on Linux and 104 on macOS.
LONGEST_SOCKET_PATH = 100


class HomeError(RouterError):
    """The `.router/` folder cannot be made, read or written."""

    code = "home.unusable"


@dataclass(frozen=True, slots=True)
class Home:
    """One `.router/` folder. Holds no open file; two values with the same root are equal."""

    root: Path

    @property
    def config(self) -> Path:
        """The user's own configuration."""
        return self.root / "router.yaml"

    @property
    def keys(self) -> Path:
        """Client keys of this machine, one 0600 file each."""
        return self.root / "keys"

    @property
    def local_key(self) -> Path:
        """The client key that bootstrap makes."""
        return self.keys / "local.key"

    @property
    def sealed(self) -> Path:
        """Encrypted entries: keys and signed-in accounts, one 0600 file each."""
        return self.root / "sealed"

    @property
    def runtime(self) -> Path:
        """Everything that is generated and can be generated anew."""
        return self.root / "runtime"

    @property
    def state(self) -> Path:
        """Active profile and generation."""
        return self.runtime / "state.json"

    @property
    def plan(self) -> Path:
        """The compiled routes of the active profile."""
        return self.runtime / "plan.json"

    @property
    def translator_config(self) -> Path:
        """LiteLLM's generated configuration, without a secret in it."""
        return self.runtime / "litellm.active.yaml"

    @property
    def translator_environment(self) -> Path:
        """LiteLLM's own virtual environment."""
        return self.runtime / "litellm"

    @property
    def translator_folder(self) -> Path:
        """LiteLLM's working folder: it puts it on `sys.path`, so nothing else lives there."""
        return self.runtime / "litellm-work"

    @property
    def events(self) -> Path:
        """The event log, JSON lines."""
        return self.runtime / "events.log"

    @property
    def ledger(self) -> Path:
        """One row for each client request; not in `runtime`, because it cannot be generated anew."""
        return self.root / "ledger.sqlite"

    @property
    def supervisor_identity(self) -> Path:
        """Pid and start time of the supervisor."""
        return self.runtime / "supervisor.json"

    @property
    def supervisor_lock(self) -> Path:
        """Locked by the one supervisor of this home for as long as it lives."""
        return self.runtime / "supervisor.lock"

    @property
    def supervisor_socket(self) -> Path:
        """The supervisor's control socket; moved to a short path when the home's own is too long for one."""
        wanted = self.runtime / "supervisor.sock"
        if len(os.fsencode(wanted)) <= LONGEST_SOCKET_PATH:
            return wanted
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"llm-router-{os.getuid()}" / f"{digest}.sock"

    @property
    def logs(self) -> Path:
        """Child output, one file per unit."""
        return self.root / "logs"

    def log(self, unit: str) -> Path:
        """The log file of one unit."""
        return self.logs / f"{unit}.log"

    def create(self) -> list[Path]:
        """Make the folders that are missing and close those that are too open. Returns what was changed."""
        changed: list[Path] = []
        for folder in (self.root, self.keys, self.runtime, self.translator_folder, self.logs):
            try:
                changed += [folder] if close_folder(folder) else []
            except OSError as error:
                raise HomeError(
                    f"`{folder}` cannot be made private: {explain(error)}",
                    hints=["Choose another place with `--home` or ROUTER_HOME, or mend the folder's owner and mode"],
                    unharmed="Nothing was written",
                ) from error
        return changed


def find(explicit: Path | None, environ: Mapping[str, str], start: Path) -> Home:
    """`--home`, else `ROUTER_HOME`, else the nearest `.router/` upwards from `start`, else `~/.router`."""
    if explicit is not None:
        return Home(explicit.expanduser().absolute())
    if named := environ.get("ROUTER_HOME"):
        return Home(Path(named).expanduser().absolute())
    for folder in (start, *start.parents):
        if _is_own_folder(folder / ".router"):
            return Home(folder / ".router")
    return Home(Path.home() / ".router")


def _is_own_folder(folder: Path) -> bool:
    """Whether it is a folder of this user's. One that somebody else put in our way (in /tmp, say) is not found: its
    configuration names commands to run.
    """
    try:
        held = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(held.st_mode) and held.st_uid == os.geteuid()


def close_folder(folder: Path) -> bool:
    """Make `folder` exist with mode 0700. Returns whether anything changed. Raises OSError."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True)
    except FileExistsError:
        held = folder.stat()
        if not stat.S_ISDIR(held.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        if held.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(folder)) from None
        if stat.S_IMODE(held.st_mode) == FOLDER_MODE:
            return False
    folder.chmod(FOLDER_MODE)
    return True


def write_private(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Replace `path` with `content` or its pieces as a whole: readers see the old file or the new. Raises HomeError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise HomeError(
            f"`{path}` cannot be written: {explain(error)}",
            hints=["Free some space or mend the folder's mode, then run the command again"],
            unharmed="The file is as it was before",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def peer_user(connection: socket.socket) -> int | None:
    """The user at the other end of a local socket, as the kernel knows it; None where it does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(user)


def explain(error: OSError) -> str:
    """An operating system error in one plain phrase, without its number."""
    return (error.strerror or str(error)).lower()
