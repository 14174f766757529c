"""How each kind of unit is started and asked: from the plan in force to a `Started`."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

from llm_router.errors import RouterError
from llm_router.home import Home
from llm_router.routing.plan import Plan, Service
from llm_router.supervisor import sockets
from llm_router.supervisor.environment import ENV, UNSEALING, allowed, named_variables
from llm_router.supervisor.gateway_channel import GatewayChannel, GatewaySilent
from llm_router.supervisor.processes import Launch
from llm_router.supervisor.readiness import AliveProbe, ConnectProbe, HttpProbe, Probe, Readiness
from llm_router.supervisor.runner import Started
from llm_router.supervisor.sockets import HeldSockets

TRANSLATOR_NICENESS = 5  # it computes for seconds while it starts; the gateway must not wait for that
REFERENCES = (ENV, "file:", "keyring:", "sealed:")


class TranslatorUnusable(RouterError):
    """LiteLLM's environment is missing or damaged."""

    code = "supervisor.translator_unusable"


@dataclass(frozen=True, slots=True)
class Commands:
    """The programs that units run; tests put scripted ones here."""

    gateway: tuple[str, ...] = (sys.executable, "-P", "-m", "llm_router.gateway")
    sandbox: tuple[str, ...] = (sys.executable, "-P", "-m", "llm_router.sandbox")
    translator: tuple[str, ...] = ()  # empty: the real one, from its own environment


@dataclass(frozen=True, slots=True)
class Translator:
    """One generation of LiteLLM: where it listens and the two keys that were made for it."""

    generation: int
    port: int
    master_key: str
    door_key: str

    @classmethod
    def create(cls, generation: int) -> "Translator":
        """A free port and new random keys."""
        return cls(generation, sockets.free_port(), f"sk-{secrets.token_urlsafe(36)}", secrets.token_urlsafe(36))

    def as_json(self) -> dict[str, object]:
        """The gateway's view of it."""
        return {
            "generation": self.generation,
            "base_url": f"http://127.0.0.1:{self.port}",
            "api_key": self.master_key,
            "door_key": self.door_key,
        }


@dataclass(frozen=True, slots=True)
class GatewayProbe:
    """Ready is a gateway that was configured and said so, answers its channel, and answers HTTP."""

    channel: GatewayChannel
    http: HttpProbe

    @property
    def url(self) -> str:
        """The HTTP half."""
        return self.http.url

    async def check(self) -> Readiness:
        """While it starts: wait for its word. Later: a question on the channel, and a GET."""
        if not self.channel.ready.is_set():
            try:
                async with asyncio.timeout(1.0):
                    await self.channel.ready.wait()
            except TimeoutError:
                return Readiness(False, "it has not said that it accepts requests", error="TimeoutError")
            return await self.http.check()
        try:
            await self.channel.ask("stats", limit=self.http.timeout)
        except GatewaySilent as error:
            return Readiness(False, error.message, error="TimeoutError")
        return await self.http.check()


@dataclass(frozen=True, slots=True)
class Launcher:
    """Makes launches for one home with the environment that the supervisor was started in."""

    home: Home
    environ: Mapping[str, str]
    commands: Commands
    held: HeldSockets

    def gateway(self, plan: Plan, channel: GatewayChannel, variables: Iterable[str]) -> Started:
        """The gateway, with every door that is held and these variables. Raises PortInUse, AddressUnusable."""
        listener = self.held.open(sockets.GATEWAY, plan.gateway.host, plan.gateway.port)
        doors = {sockets.GATEWAY: listener.fileno()}
        if plan.translator.enabled:
            door = self.held.open(sockets.TRANSLATOR, "127.0.0.1", plan.translator.port)
            doors[sockets.TRANSLATOR] = door.fileno()
        control = channel.far.fileno()
        environment = {
            **allowed(self.environ, {*variables, *UNSEALING}),
            "LLM_ROUTER_LISTEN_FDS": ",".join(f"{name}={number}" for name, number in doors.items()),
            "LLM_ROUTER_CONTROL_FD": str(control),
            "LLM_ROUTER_HOME": str(self.home.root),
        }
        host, port = listener.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return Started(
            Launch(
                self.commands.gateway,
                self.home.root,
                environment,
                pass_fds=(*doors.values(), control),
                death_signal=signal.SIGTERM,  # it finishes what is in flight
            ),
            GatewayProbe(channel, HttpProbe(shown, port, "/healthz")),
            url=self.held.url(sockets.GATEWAY),
            port=port,
            after_spawn=channel.far.close,
        )

    def sandbox(self) -> Started:
        """The sandbox, on whatever port its socket got."""
        listener = self.held.open(sockets.SANDBOX, "127.0.0.1", 0)
        port = listener.getsockname()[1]
        environment = {**allowed(self.environ), "LLM_ROUTER_LISTEN_FDS": f"sandbox={listener.fileno()}"}
        launch = Launch(self.commands.sandbox, self.home.root, environment, pass_fds=(listener.fileno(),))
        return Started(launch, HttpProbe("127.0.0.1", port, "/healthz"), self.held.url(sockets.SANDBOX), port)

    def translator(self, plan: Plan, made: Translator) -> Started:
        """LiteLLM with its own port and keys. Raises TranslatorUnusable."""
        from llm_router.translator import launch as litellm

        if not self.commands.translator and (problem := litellm.installed_problem(self.home)):
            raise TranslatorUnusable(problem, hints=["Run `router bootstrap`"], unharmed="The same-format lane runs")
        extra = {*plan.translator.environment, "LANG", "TZ", "TMPDIR"}
        spec = litellm.launch_spec(
            self.home,
            port=made.port,
            master_key=made.master_key,
            door_key=made.door_key,
            extra_environment={name: self.environ[name] for name in sorted(extra) if name in self.environ},
        )
        launch = Launch(
            (*self.commands.translator, str(made.port)) if self.commands.translator else spec.command,
            spec.cwd,
            spec.environment,
            nice=TRANSLATOR_NICENESS,
            secrets=(made.master_key, made.door_key),
        )
        probe = HttpProbe("127.0.0.1", made.port, litellm.READINESS_PATH)
        url = self.held.url(sockets.TRANSLATOR) or f"http://127.0.0.1:{made.port}"
        return Started(launch, probe, url, made.port)

    def service(self, service: Service) -> Started:
        """A further command of the user's. Raises SecretUnavailable for a reference that leads nowhere."""
        given, hidden = self._service_environment(service)
        launch = Launch(
            service.command,
            self.home.root / Path(service.cwd).expanduser() if service.cwd else self.home.root,
            {**allowed(self.environ), **given},
            death_signal=signal.SIGTERM,  # it may have children of its own to end
            secrets=hidden,
        )
        url = sockets.url_of(service.host, service.port) if service.port else ""
        return Started(launch, _service_probe(service), url, service.port)

    def _service_environment(self, service: Service) -> tuple[dict[str, str], tuple[str, ...]]:
        given, hidden = {}, []
        for name, value in service.environment.items():
            if value.startswith(REFERENCES):
                from llm_router.secrets.store import resolve

                given[name] = resolve(value, home=self.home, environ=self.environ).reveal()
                hidden.append(given[name])
            else:
                given[name] = value
        return given, tuple(hidden)


def gateway_variables(plan: Plan) -> frozenset[str]:
    """The environment variables that the gateway needs for this plan: wherever it says `env:`, but for services."""
    values = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name != "services"}
    return named_variables(_texts(values))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for held in value.values():
            yield from _texts(held)
    elif isinstance(value, tuple | list):
        for held in value:
            yield from _texts(held)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def endpoints(plan: Plan, held: HeldSockets) -> dict[str, str]:
    """Where the units are that upstreams may name with `unit://`."""
    found = {service.name: sockets.url_of(service.host, service.port) for service in plan.services if service.port}
    if held.has(sockets.SANDBOX):
        found[sockets.SANDBOX] = held.url(sockets.SANDBOX)
    return found


def _service_probe(service: Service) -> Probe:
    if service.port is None:
        return AliveProbe()
    if service.readiness_path:
        return HttpProbe(service.host, service.port, service.readiness_path)
    return ConnectProbe(service.host, service.port)
