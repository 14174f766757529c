"""The catalogue: every way to break an installation that is rehearsed, and what the doctor has to say first."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from support.patient import Patient, kill_supervisor
from support.product import free_ports

from llm_router.control import lifecycle
from llm_router.supervisor.identity import identify
from llm_router.supervisor.leftovers import record
from llm_router.translator import launch

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
PLAIN, TRANSLATOR, RUNNING = "", "translator", "running"


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` happened, as the runbook says it. `code`: of the first finding. `mended`: whether `--fix` mends it."""

    what: str
    code: str
    breaks: Callable[[Patient], object]
    mended: bool = False
    needs: str = PLAIN

    @property
    def id(self) -> str:
        """A name for the test."""
        return self.what.replace("`", "").replace(" ", "-").replace("/", "")


def set_variable(name: str, value: str) -> Callable[[Patient], None]:
    """The fault of a variable."""
    return lambda patient: patient.environ.update({name: value})


def configured(**changes: object) -> Callable[[Patient], None]:
    """The fault of a configuration that was compiled."""

    def breaks(patient: Patient) -> None:
        patient.configure(changes)
        patient.compile()

    return breaks


def on_machine(**changes: object) -> Callable[[Patient], None]:
    """The fault of the machine."""

    def breaks(patient: Patient) -> None:
        patient.machine = replace(patient.machine, **changes)

    return breaks


def written(place: Callable[[Patient], Path], content: bytes | str) -> Callable[[Patient], None]:
    """The fault of a file's content; a new file, so that nothing linked to the old one changes."""

    def breaks(patient: Patient) -> None:
        path = place(patient)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    return breaks


def to_file(patient: Patient) -> None:
    """Something that is no folder where the home belongs."""
    shutil.rmtree(patient.home.root)
    patient.home.root.write_text("not a folder")


def logs_to_file(patient: Patient) -> None:
    """Something that is no folder where the logs belong."""
    shutil.rmtree(patient.home.logs)
    patient.home.logs.write_text("not a folder")


def link_events(patient: Patient) -> None:
    """The event log leads to somebody else's file."""
    target = patient.folder / "elsewhere.log"
    patient.home.events.rename(target)
    patient.home.events.symlink_to(target)


def events_folder(patient: Patient) -> None:
    """A folder in the place of the event log."""
    patient.home.events.unlink()
    patient.home.events.mkdir()


def steal_port(patient: Patient, which: int = 0) -> None:
    """Somebody else listens where we want to."""
    listener = patient.stack.enter_context(socket.create_server(("127.0.0.1", patient.ports[which])))
    listener.listen()


def older_configuration(patient: Patient) -> None:
    """A file of version 2 whose ports are ours."""
    text = (EXAMPLES / "routertool.yaml").read_text()
    written(lambda held: held.home.config, text)(patient)
    patient.environ |= {"ROUTER_LITELLM_ENABLED": "false", "ROUTER_UPSTREAM_API_KEY": "set", "CUSTOM_API_KEY": "set"}
    patient.compile()


def changed_configuration(patient: Patient) -> None:
    """Edited, and not put in force."""
    patient.configure({"models": {"router-default": "sandbox/echo-1", "another": "sandbox/echo-1"}})


def half_ledger(patient: Patient) -> None:
    """Half of a ledger with rows in it."""
    with closing(sqlite3.connect(patient.home.ledger)) as ledger:
        ledger.execute("PRAGMA journal_mode = DELETE")
        ledger.execute("CREATE TABLE filler (text TEXT)")
        ledger.executemany("INSERT INTO filler VALUES (?)", [("x" * 1000,)] * 200)
        ledger.commit()
    os.truncate(patient.home.ledger, patient.home.ledger.stat().st_size // 2)


def newer_ledger(patient: Patient) -> None:
    """A schema that is still to come."""
    with closing(sqlite3.connect(patient.home.ledger)) as ledger:
        ledger.execute("PRAGMA user_version = 99")


def large_log(patient: Patient) -> None:
    """A log that nobody rotates; it takes no room on the disk."""
    path = patient.home.log("gateway")
    path.touch(mode=0o600)
    os.truncate(path, 100 * 1024**2)


def orphan(patient: Patient) -> None:
    """A process that a dead supervisor recorded."""
    held = identify(patient.spawn().pid)
    assert held is not None
    record(patient.home, [("gateway", held)])


def delete_under_it(patient: Patient) -> None:
    """The folder goes, the processes stay."""
    pid = patient.supervisor()
    patient.stack.callback(lambda: os.kill(pid, signal.SIGTERM))
    shutil.rmtree(patient.home.root)


def stop_process(patient: Patient, pid: int) -> None:
    """SIGSTOP until the end of the test."""
    os.kill(pid, signal.SIGSTOP)
    patient.stack.callback(lambda: os.kill(pid, signal.SIGCONT))


def freeze_gateway(patient: Patient) -> None:
    """A gateway that runs and does not answer."""
    stop_process(patient, int(patient.unit("gateway")["pid"]))
    patient.until_state("gateway", "unready")


def add_unit(patient: Patient, code: str, *states: str, **more: object) -> None:
    """A further unit of the user's own."""
    service = {"command": [sys.executable, "-c", code], **more}
    patient.configure({"services": {"tool": service}})
    patient.compile()
    patient.until_state("tool", *states)


def never_ready(patient: Patient) -> None:
    """A unit that runs and never answers, looked at 100 s later."""
    port = free_ports(1)[0]
    add_unit(patient, "import signal; signal.pause()", "starting", port=port, readiness_path="/health")
    on_machine(wall=lambda: time.time() + 100)(patient)


def stop_unit(patient: Patient) -> None:
    """`router service stop sandbox`."""
    lifecycle.stop(patient.home, ["sandbox"], on_progress=lambda step: None)


def lose_socket(patient: Patient) -> None:
    """The control socket is deleted; `end` could not reach it either."""
    pid = patient.supervisor()
    patient.stack.callback(lambda: os.kill(pid, signal.SIGTERM))
    patient.home.supervisor_socket.unlink()


def interrupted_install(patient: Patient) -> None:
    """What a killed bootstrap leaves."""
    (patient.home.runtime / "litellm.new-4711" / "lib").mkdir(parents=True)


def stray_file(patient: Patient) -> None:
    """What a killed command leaves."""
    path = patient.home.runtime / ".plan.json.4711.new"
    path.write_text("{")
    os.utime(path, (time.time() - 3600,) * 2)


def another_version(patient: Patient) -> None:
    """A package of LiteLLM's that somebody updated."""
    held = next(patient.packages.glob("httpx-*.dist-info"))
    held.rename(held.with_name("httpx-0.0.1.dist-info"))


def known_bad(patient: Patient) -> None:
    """LiteLLM of the stolen release."""
    held = next(patient.packages.glob("litellm-*.dist-info"))
    held.rename(held.with_name("litellm-1.82.8.dist-info"))


def guarded(patient: Patient, place: str, content: str) -> None:
    """A file in the user's own folder."""
    path = patient.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


CODEX = 'model_provider = "router"\n[model_providers.router]\nbase_url = "http://127.0.0.1:9/v1"\n'
CLAUDE = json.dumps({"env": {"ANTHROPIC_BASE_URL": "http://localhost:9"}})


def with_account(**key: str) -> dict[str, object]:
    """The sandbox, and an account elsewhere."""
    account = {"kind": "openai", "base_url": "https://api.example.com/v1", **key}
    return {"sandbox": {"kind": "sandbox"}, "other": account}


FAULTS = (
    # the home
    Fault("`.router/` was deleted", "home.missing", lambda p: shutil.rmtree(p.home.root), mended=True),
    Fault("a file stands where `.router/` belongs", "home.not_a_folder", to_file),
    Fault("`.router/` is open to others", "home.modes", lambda p: p.home.root.chmod(0o755), mended=True),
    Fault("`.router/keys` can be written by others", "home.modes", lambda p: p.home.keys.chmod(0o777), mended=True),
    Fault("`.router/runtime` is read-only", "home.modes", lambda p: p.home.runtime.chmod(0o500), mended=True),
    Fault("a key file is open to others", "home.modes", lambda p: p.home.local_key.chmod(0o644), mended=True),
    Fault("`router.yaml` is open to others", "home.modes", lambda p: p.home.config.chmod(0o664), mended=True),
    Fault("the ledger may not be read", "home.modes", lambda p: p.home.ledger.chmod(0), mended=True),
    Fault("`.router/keys` was deleted", "home.folders", lambda p: shutil.rmtree(p.home.keys), mended=True),
    Fault("`.router/runtime` was deleted", "home.folders", lambda p: shutil.rmtree(p.home.runtime), mended=True),
    Fault("a file stands where `.router/logs` belongs", "home.folders", logs_to_file),
    Fault("the event log is a link", "home.links", link_events, mended=True),
    Fault("a folder stands where the event log belongs", "events.unwritable", events_folder, mended=True),
    Fault("the disk is full", "disk.full", on_machine(free_bytes=lambda path: 1_000_000)),
    Fault("the disk is nearly full", "disk.full", on_machine(free_bytes=lambda path: 200_000_000)),
    # the configuration
    Fault("`router.yaml` was deleted", "config.missing", lambda p: p.home.config.unlink(), mended=True),
    Fault("`router.yaml` is broken YAML", "config.invalid", written(lambda p: p.home.config, "gateway:\n\tport: 1\n")),
    Fault("`router.yaml` has a misspelt key", "config.invalid", lambda p: p.configure({"modls": {}})),
    Fault("`router.yaml` is empty", "config.invalid", written(lambda p: p.home.config, "")),
    Fault("a key stands in `router.yaml` itself", "config.invalid", lambda p: p.configure({"state_password": "sk-1"})),
    Fault("a ROUTER_ variable has a wrong value", "config.invalid", set_variable("ROUTER_GATEWAY_PORT", "none")),
    Fault("a ROUTER_ variable is misspelt", "environment.unknown", set_variable("ROUTER_GATWAY_PORT", "8318")),
    Fault("the configuration is of an older version", "config.migration", older_configuration),
    Fault("the configuration was changed and not put in force", "plan.stale", changed_configuration, mended=True),
    Fault(
        "the configuration was changed while the router ran",
        "plan.stale",
        changed_configuration,
        mended=True,
        needs=RUNNING,
    ),
    Fault("`plan.json` is cut off", "plan.damaged", written(lambda p: p.home.plan, "{"), mended=True),
    Fault("`state.json` is empty", "plan.damaged", written(lambda p: p.home.state, ""), mended=True),
    Fault("`plan.json` was deleted", "plan.damaged", lambda p: p.home.plan.unlink(), mended=True),
    Fault("the gateway listens to other machines", "gateway.public", configured(gateway={"host": "0.0.0.0"})),
    # ports
    Fault("the gateway's port is taken", "ports.taken", steal_port),
    Fault("LiteLLM's port is taken", "ports.taken", lambda p: steal_port(p, 1), needs=TRANSLATOR),
    Fault("the gateway's address is another machine's", "ports.unusable", configured(gateway={"host": "192.0.2.1"})),
    # what runs
    Fault("the supervisor was killed", "runtime.stale", kill_supervisor, mended=True, needs=RUNNING),
    Fault(
        "the supervisor is stopped (SIGSTOP)",
        "supervisor.silent",
        lambda p: stop_process(p, p.supervisor()),
        needs=RUNNING,
    ),
    Fault("the supervisor's socket was deleted", "supervisor.silent", lose_socket, needs=RUNNING),
    Fault("`.router/` was deleted while it ran", "supervisor.homeless", delete_under_it, needs=RUNNING),
    Fault("a unit outlived its supervisor", "runtime.orphans", orphan, mended=True),
    Fault("the gateway is stopped (SIGSTOP)", "unit.unready", freeze_gateway, needs=RUNNING),
    Fault(
        "a unit lacks a package and crashes",
        "unit.failed",
        lambda p: add_unit(p, "import no_such_package", "backoff", "failed"),
        needs=RUNNING,
    ),
    Fault("a unit never gets ready", "unit.unready", never_ready, needs=RUNNING),
    Fault("a unit was stopped by hand", "unit.stopped", stop_unit, needs=RUNNING),
    # keys
    Fault("the local client key was deleted", "keys.local", lambda p: p.home.local_key.unlink(), mended=True),
    Fault("the local client key is empty", "keys.local", written(lambda p: p.home.local_key, "")),
    Fault("a client key can be guessed", "keys.weak", written(lambda p: p.home.local_key, "letmein")),
    Fault("the client keys' file is cut off", "keys.damaged", written(lambda p: p.home.keys / "clients.json", "{")),
    Fault(
        "an account's key file is missing",
        "secrets.unavailable",
        configured(providers=with_account(key="file:keys/other.key")),
    ),
    Fault(
        "an account's variable is not set",
        "secrets.unavailable",
        configured(providers=with_account(key="env:NO_SUCH_KEY_HERE")),
    ),
    Fault(
        "the keyring cannot be loaded",
        "secrets.keyring",
        lambda p: (
            configured(providers=with_account(key="keyring:llm-router/other"))(p),
            set_variable("PYTHON_KEYRING_BACKEND", "no.such.Keyring")(p),
        ),
    ),
    # the ledger and the logs
    Fault("the ledger is not a database", "ledger.damaged", written(lambda p: p.home.ledger, b"x" * 9000), mended=True),
    Fault("the ledger is cut in half", "ledger.damaged", half_ledger, mended=True),
    Fault("the ledger is of a newer release", "ledger.newer", newer_ledger),
    Fault("a log grew without end", "logs.large", large_log),
    # LiteLLM
    Fault(
        "LiteLLM was deleted",
        "litellm.missing",
        lambda p: shutil.rmtree(p.home.translator_environment),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "a bootstrap ended half-way",
        "litellm.missing",
        lambda p: (p.home.translator_environment / launch.MARKER).unlink(),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "LiteLLM is of another release of llm-router",
        "litellm.missing",
        written(lambda p: p.home.translator_environment / launch.MARKER, "0\n0\n"),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "LiteLLM's Python is gone",
        "litellm.missing",
        lambda p: launch.interpreter(p.home.translator_environment).unlink(),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "a `.pth` was put into LiteLLM's environment",
        "litellm.startup_code",
        written(lambda p: p.packages / "helper.pth", "import os\n"),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "a `sitecustomize.py` was put into LiteLLM's environment",
        "litellm.startup_code",
        written(lambda p: p.packages / "sitecustomize.py", "import os\n"),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault("a known bad release of LiteLLM", "litellm.known_bad", known_bad, mended=True, needs=TRANSLATOR),
    Fault(
        "a package of LiteLLM's is missing",
        "litellm.packages",
        lambda p: shutil.rmtree(next(p.packages.glob("httpx-*.dist-info"))),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "a package of LiteLLM's has another version",
        "litellm.packages",
        another_version,
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "one byte of LiteLLM was changed",
        "litellm.files",
        written(lambda p: p.packages / "litellm" / "main.py", b"answer = 43\n"),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault(
        "a file of a package of LiteLLM's was deleted",
        "litellm.files",
        lambda p: (p.packages / "httpx" / "main.py").unlink(),
        mended=True,
        needs=TRANSLATOR,
    ),
    Fault("a bootstrap was killed", "runtime.strays", interrupted_install, mended=True, needs=TRANSLATOR),
    Fault("a command was killed while it wrote", "runtime.strays", stray_file, mended=True),
    # llm-router itself, and the machine
    Fault("Python is too old", "python.version", on_machine(python=(3, 11, 4))),
    Fault("the system is not supported", "platform.unsupported", on_machine(system="win32")),
    Fault(
        "a package of llm-router's is missing",
        "install.incomplete",
        lambda p: (p.machine.packages / "typer-1.0.dist-info").rmdir(),
    ),
    Fault(
        "a `.pth` was put into llm-router's environment",
        "install.startup_code",
        written(lambda p: p.machine.packages / "helper.pth", "import os\n"),
    ),
    Fault("PYTHONPATH is set", "environment.python", set_variable("PYTHONPATH", "/somewhere")),
    Fault("the clock is an hour ahead", "clock.wrong", on_machine(wall=lambda: time.time() + 3600)),
    Fault("the clock is an hour behind", "clock.wrong", on_machine(wall=lambda: time.time() - 3600)),
    Fault("the clock starts in 1970", "clock.wrong", on_machine(wall=lambda: 60.0)),
    Fault(
        "a proxy of a kind that cannot be used", "network.proxy", set_variable("HTTPS_PROXY", "socks5://127.0.0.1:1")
    ),
    Fault("SSL_CERT_FILE names no file", "network.tls", set_variable("SSL_CERT_FILE", "/nowhere.pem")),
    Fault(
        "there is no name server",
        "network.dns",
        lambda p: (configured(providers=with_account())(p), on_machine(resolver=Path("/nowhere"))(p)),
    ),
    # clients
    Fault("Codex points elsewhere", "agents.codex", lambda p: guarded(p, ".codex/config.toml", CODEX)),
    Fault("Claude Code points elsewhere", "agents.claude", lambda p: guarded(p, ".claude/settings.json", CLAUDE)),
    Fault(
        "a shell points Claude Code elsewhere", "agents.claude", set_variable("ANTHROPIC_BASE_URL", "http://[::1]:9")
    ),
)
