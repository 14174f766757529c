"""A prepared home that a test may break, with a machine and an environment of its own."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llm_router.control import lifecycle, startup
from llm_router.control.supervisor import SupervisorClient
from llm_router.doctor.checks.install_incomplete import NEEDED
from llm_router.doctor.context import Context, Machine, read_json
from llm_router.home import Home, write_private
from llm_router.journal.events import EventLog
from llm_router.journal.ledger_file import open_for_writing
from llm_router.supervisor.leftovers import path_of, read
from llm_router.translator import launch
from llm_router.translator.integrity import fingerprint, locked
from support.polling import until
from support.product import free_ports

MAIN = b"answer = 42\n"


@dataclass(slots=True)
class Patient:
    """One home and what surrounds it. `processes` are ended with it."""

    folder: Path
    environ: dict[str, str]
    machine: Machine
    translator: bool = False
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def home(self) -> Home:
        """The `.router` folder."""
        return Home(self.folder / ".router")

    @property
    def packages(self) -> Path:
        """LiteLLM's site-packages."""
        return launch.site_packages(self.home.translator_environment)

    @property
    def ports(self) -> tuple[int, int]:
        """The gateway's, and LiteLLM's door."""
        return int(self.environ["ROUTER_GATEWAY_PORT"]), int(self.environ["ROUTER_LITELLM_PORT"])

    def context(self) -> Context:
        """What the doctor sees; LiteLLM is installed anew from nothing but the lock's names."""
        return Context(self.home, self.home.config, self.environ, self.machine, install=_install)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Write router.yaml anew; JSON is YAML."""
        document = {
            "config_version": 3,
            "litellm": {"enabled": self.translator},
            "providers": {"sandbox": {"kind": "sandbox"}},
            "models": {"router-default": "sandbox/echo-1"},
            **changes,
        }
        write_private(self.home.config, json.dumps(document, indent=2).encode())

    def compile(self) -> None:
        """Put the configuration in force."""
        startup.prepare(self.home, self.home.config, self.environ, lambda line: None)

    def start(self) -> None:
        """`router up`, with everything ready."""
        outcome = lifecycle.up(self.home, self.environ, wait=30, everything=True, on_progress=lambda step: None)
        assert not outcome.unwell, outcome.unwell

    def supervisor(self) -> int:
        """The pid of the supervisor."""
        return int(read_json(self.home.supervisor_identity)["pid"])

    def unit(self, name: str) -> Mapping[str, Any]:
        """A unit's report."""
        units = SupervisorClient(self.home).call("status")["units"]
        return next(unit for unit in units if unit["unit"] == name)

    def until_state(self, name: str, *states: str) -> None:
        """Wait until a unit is in one of these states."""
        until(lambda: self.unit(name)["state"] in states, within=40)

    def spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A process that is ended with the patient."""
        code = arguments or ("-c", "import signal; signal.pause()")
        process = subprocess.Popen([sys.executable, *code], start_new_session=True, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End all that was started for this patient."""
        self.stack.close()
        for process in self.processes:
            process.kill()
            process.wait()
        with contextlib.suppress(Exception):
            SupervisorClient(self.home).shut_down(timeout=30)

    def treasures(self) -> set[str]:
        """Digests of what is the user's own: the configuration, keys and the ledger, wherever they lie now."""
        kept = (self.home.config, self.home.ledger, *self.home.keys.glob("*"))
        readable = [path for path in kept if path.is_file() and os.access(path, os.R_OK)]
        return {_digest(path) for path in readable if path.stat().st_size}

    def everything(self) -> set[str]:
        """Digests of every file outside LiteLLM's environment."""
        found = set()
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if name not in ("litellm", "litellm-work")]
            found |= {_digest(path) for name in files if (path := Path(folder, name)).is_file()}
        return found


def admitted(folder: Path, *, translator: bool = False) -> Patient:
    """A healthy patient: everything was set up and compiled, nothing runs."""
    gateway, door = free_ports(2)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ROUTER_GATEWAY_PORT": str(gateway),
        "ROUTER_LITELLM_PORT": str(door),
    }
    machine = replace(Machine(), packages=_own_packages(folder / "site-packages"))
    patient = Patient(folder, environ, machine, translator)
    patient.home.create()
    patient.configure({})
    patient.compile()
    EventLog(patient.home.events).write("up", result="success")
    with contextlib.closing(open_for_writing(patient.home.ledger, busy_ms=1000)) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if translator:
        small_translator(patient.home)
    return patient


def small_translator(home: Home) -> None:
    """An environment as the lock says, in which LiteLLM is one file and nothing can be started."""
    environment = home.translator_environment
    shutil.rmtree(environment, ignore_errors=True)
    packages = launch.site_packages(environment)
    for entry in locked().values():
        about = packages / f"{entry.name.replace('-', '_')}-{entry.version}.dist-info"
        about.mkdir(parents=True)
        name = entry.name.replace("-", "_")
        (packages / name).mkdir(exist_ok=True)
        (packages / name / "main.py").write_bytes(MAIN)
        (about / "METADATA").write_text("")
        record = f"{name}/main.py,sha256={_record_digest(MAIN)},{len(MAIN)}\n../../../bin/x,sha256=x,1\nx/RECORD,,\n"
        (about / "RECORD").write_text(record)
    (environment / "bin").mkdir()
    (environment / "bin" / "python").symlink_to(sys.executable)
    (environment / "bin" / "litellm").write_text("")
    (packages / "_virtualenv.pth").touch()
    (environment / launch.MARKER).write_text(f"{launch.lock_digest()}\n{fingerprint(environment)}\n")


def process_gone(pid: int) -> bool:
    """Whether a process is no more, or only waits to be buried."""
    from llm_router.supervisor.identity import identify

    return identify(pid) is None


def kill_supervisor(patient: Patient) -> None:
    """`kill -9`, and wait until its units have gone after it."""
    units = read(path_of(patient.home))
    pid = patient.supervisor()
    os.kill(pid, signal.SIGKILL)
    until(lambda: process_gone(pid) and not any(identity.alive() for _, identity in units), within=30)


def _install(context: Context) -> None:
    if not launch.installed_problem(context.home):
        return
    small_translator(context.home)


def _own_packages(folder: Path) -> Path:
    for name in NEEDED:
        (folder / f"{name.replace('-', '_')}-1.0.dist-info").mkdir(parents=True)
    (folder / "llm_router.pth").write_text("/somewhere/src\n")
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@contextlib.contextmanager
def treated(folder: Path, *, translator: bool = False) -> Iterator[Patient]:
    """A patient, ended afterwards."""
    patient = admitted(folder, translator=translator)
    try:
        yield patient
    finally:
        patient.end()
