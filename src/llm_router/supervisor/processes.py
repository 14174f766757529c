"""Child processes: started in a session of their own, their output logged, ended as a whole group.

A child dies with a killed supervisor on Linux (the kernel signals it); elsewhere the next supervisor ends it.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_router.supervisor.identity import ProcessIdentity, group_members, identify
from llm_router.supervisor.logs import LineSplitter, UnitLog

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
GROUP_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Launch:
    """How one process is started. Holds no secret in `command`; `secrets` are masked in its log."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    nice: int = 0
    death_signal: int = signal.SIGKILL  # what it gets when the supervisor is killed
    secrets: tuple[str, ...] = ()


@dataclass(slots=True)
class Child:
    """One running process. Owned by whoever spawned it, who awaits `wait` and then calls nothing but `exit`."""

    identity: ProcessIdentity
    _process: asyncio.subprocess.Process
    _output: "_Output"
    killed: bool = field(default=False, init=False)  # the deadline passed and the group was killed

    @property
    def pid(self) -> int:
        """The leader of its process group."""
        return self.identity.pid

    async def wait(self) -> str:
        """Wait until it is gone; says how, e.g. `exit code 3`. What is left of its group is ended."""
        code = await self._process.wait()
        self._output.finish()
        await end_group(self.pid, grace=0.0)
        return describe_exit(code)

    async def gone_within(self, seconds: float) -> bool:
        """Wait for an end that somebody else asked for."""
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self, grace: float) -> bool:
        """Ask the group to end, kill it after `grace` seconds. Returns whether it had to be killed."""
        _signal_group(self.pid, signal.SIGTERM)
        _signal_group(self.pid, signal.SIGCONT)  # a stopped process would never see the first one
        if not await self.gone_within(grace):
            self.kill()
            await self._process.wait()
        return self.killed

    def kill(self) -> None:
        """End the group at once."""
        self.killed = True
        _signal_group(self.pid, signal.SIGKILL)


async def spawn(launch: Launch, log: UnitLog) -> Child:
    """Start a process. Raises OSError when the command cannot be run."""
    log.redactor.learn(launch.secrets)
    read_end, write_end = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *launch.command,
            cwd=launch.cwd,
            env=dict(launch.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            pass_fds=launch.pass_fds,
            start_new_session=True,
            preexec_fn=_before_exec(launch, os.getpid()),
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    held = identify(process.pid) or ProcessIdentity(process.pid, "gone")
    return Child(held, process, _Output(read_end, log))


async def end_group(leader: int, grace: float) -> bool:
    """End every process in the group that `leader` led: ask, wait, kill. Returns whether there were any."""
    members = group_members(leader)
    if not members:
        return False
    if grace > 0:
        _signal_group(leader, signal.SIGTERM)
        _signal_group(leader, signal.SIGCONT)
        deadline = asyncio.get_running_loop().time() + grace
        # polled, for these may be anybody's children by now, and nothing tells when such a process is gone
        while any(member.alive() for member in members) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(GROUP_POLL)
    if group_members(leader):
        _signal_group(leader, signal.SIGKILL)
    return True


def describe_exit(code: int) -> str:
    """`exit code 3` or `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def _before_exec(launch: Launch, supervisor: int) -> Callable[[], None]:
    def prepare() -> None:
        if launch.nice:
            os.nice(launch.nice)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(launch.death_signal), 0, 0, 0)
            if os.getppid() != supervisor:  # it died before the kernel was told
                os._exit(1)

    return prepare


class _Output:
    """Reads a child's output from its pipe into the log. The pipe may outlive the child in a grandchild's hands."""

    def __init__(self, descriptor: int, log: UnitLog) -> None:
        self._descriptor, self._log, self._lines = descriptor, log, LineSplitter()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> bool:
        """Take what is there. Returns whether there may be more."""
        try:
            chunk = os.read(self._descriptor, 64 * 1024)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        for line in self._lines.feed(chunk):
            self._log.write(line)
        if not chunk:
            self.close()
        return bool(chunk)

    def finish(self) -> None:
        """Take what is left and close."""
        while self._descriptor >= 0 and self._read():
            continue
        self.close()

    def close(self) -> None:
        if self._descriptor < 0:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        for line in self._lines.finish():
            self._log.write(line)
