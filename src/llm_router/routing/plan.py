"""The plan: the active profile compiled into what the gateway and the supervisor need, as values.

Written to `runtime/plan.json` by `control.activation`, read by the supervisor, handed to the gateway. It holds
references to secrets, never a secret.
"""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from llm_router.providers.billing import Billing
from llm_router.routing.shared_state import SharedState
from llm_router.wire.formats import Wire

PLAN_SCHEMA = 2
UNIT_URL = "unit://"
__all__ = [
    "PLAN_SCHEMA",
    "TRANSLATION_ORDER",
    "UNIT_URL",
    "Billing",
    "Candidate",
    "GatewaySettings",
    "Lane",
    "Model",
    "Plan",
    "Policy",
    "Service",
    "Strategy",
    "Timeouts",
    "TranslatorSettings",
    "Upstream",
    "Wire",
    "deployment_name",
    "gateway_units",
    "parse_route",
    "route_id",
]


# Which of an upstream's wires a request in a foreign format is translated to: the first that it speaks.
TRANSLATION_ORDER = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)


class Strategy(StrEnum):
    """How a profile orders the candidates of a model."""

    AS_LISTED = "as-listed"
    ROUND_ROBIN = "round-robin"
    WEIGHTED = "weighted"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


class Lane(StrEnum):
    """The way a request takes: its bytes straight through, through the translator, or to a raw LiteLLM model."""

    DIRECT = "direct"
    TRANSLATED = "translated"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider account: where it is, what it speaks, and where its key is kept."""

    name: str
    kind: str  # sandbox | openai | anthropic | litellm
    base_url: str  # as the provider documents it; `unit://sandbox` for one that the supervisor runs
    wires: tuple[Wire, ...]
    key: str = ""  # a reference, e.g. `env:OPENAI_API_KEY`; empty when the upstream wants none
    headers: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()  # names to list; empty when any name may be asked
    billing: Billing = Billing.METERED
    weight: int = 1  # how often it comes first under `weighted`

    def translation_wire(self) -> Wire | None:
        """The wire that foreign formats are translated to, or None when it speaks none of them."""
        return next((wire for wire in TRANSLATION_ORDER if wire in self.wires), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One upstream and the model to ask it for; `*` passes the client's model name on."""

    upstream: str
    model: str

    def __str__(self) -> str:
        """`provider/model`, as in the configuration."""
        return f"{self.upstream}/{self.model}"

    def for_model(self, asked: str) -> "Candidate":
        """This candidate with `*` filled in."""
        return Candidate(self.upstream, asked) if self.model == "*" else self


@dataclass(frozen=True, slots=True)
class Model:
    """An alias or a glob of model names, and who may answer for it, in order."""

    pattern: str
    candidates: tuple[Candidate, ...]

    @property
    def is_glob(self) -> bool:
        """Whether the pattern matches more than one name."""
        return "*" in self.pattern or "?" in self.pattern or "[" in self.pattern


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that the gateway waits, each for one thing."""

    connect: float = 5.0
    first_byte: float = 120.0  # from the request sent to the first byte of the answer
    idle: float = 120.0  # between two bytes of an answer
    translator: float = 60.0  # for a translator that is starting or being replaced


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of a profile that decide what happens when an upstream fails."""

    retries: int = 2  # network retries of one request, over all candidates
    failures_until_degraded: int = 3
    cooldown: float = 30.0  # seconds; doubles with every failed probe
    cooldown_cap: float = 900.0  # seconds
    strategy: Strategy = Strategy.AS_LISTED
    affinity: bool = True  # a session stays with the account that answered it first
    plan_to_paid: bool = False  # whether a request may move from a plan account to one that is paid by the token
    fallbacks: Mapping[str, str] = field(default_factory=dict)  # alias -> alias to try when all its candidates failed


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The gateway's own door."""

    host: str = "127.0.0.1"
    port: int = 8317
    workers: int = 1  # processes that accept on the same doors; more than one needs shared state
    max_body_bytes: int = 32 * 1024 * 1024
    allowed_hosts: tuple[str, ...] = ()  # Host names beyond loopback and `host` itself
    allowed_origins: tuple[str, ...] = ()  # browser origins, e.g. `http://localhost:3000`
    client_keys: tuple[str, ...] = ()  # references
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class TranslatorSettings:
    """LiteLLM: whether it runs, its familiar door, and a digest of what it was configured with."""

    enabled: bool = True
    port: int = 4000
    digest: str = ""  # sha256 of litellm.active.yaml: LiteLLM is replaced when it changes
    environment: tuple[str, ...] = ()  # variables that raw models in `litellm.base` name; nothing else is passed


@dataclass(frozen=True, slots=True)
class Service:
    """A further supervised command."""

    name: str
    command: tuple[str, ...]
    cwd: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)  # name -> literal or reference
    host: str = "127.0.0.1"
    port: int | None = None
    readiness_path: str = ""  # empty: ready when the port accepts, or, without a port, when it runs
    depends_on: tuple[str, ...] = ()


_IN_MEMORY = SharedState()


@dataclass(frozen=True, slots=True)
class Plan:
    """One profile, compiled. Equal plans behave equally."""

    profile: str
    gateway: GatewaySettings
    translator: TranslatorSettings
    upstreams: Mapping[str, Upstream]
    models: tuple[Model, ...]
    policy: Policy = Policy()
    services: tuple[Service, ...] = ()
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # dollars per million tokens
    state: SharedState = _IN_MEMORY
    ledger_days: int = 0  # 0 keeps every row

    def candidates(self, asked: str) -> tuple[Candidate, ...]:
        """Who may answer for the model name `asked`: exact alias, `provider/model`, then globs in order; else ()."""
        for model in self.models:
            if model.pattern == asked:
                return tuple(candidate.for_model(asked) for candidate in model.candidates)
        upstream, _, name = asked.partition("/")
        if name and upstream in self.upstreams:
            return (Candidate(upstream, name),)
        for model in self.models:
            if model.is_glob and fnmatch.fnmatchcase(asked, model.pattern):
                return tuple(candidate.for_model(asked) for candidate in model.candidates)
        return ()

    def aliases(self) -> tuple[str, ...]:
        """The model names a client can list: aliases, then `provider/model` of every listed upstream model."""
        named = [model.pattern for model in self.models if not model.is_glob]
        listed = [f"{up.name}/{model}" for up in self.upstreams.values() for model in up.models]
        return tuple(dict.fromkeys((*named, *listed)))

    def lane(self, candidate: Candidate, wire: Wire, *, translate: bool = False) -> Lane | None:
        """How a request in `wire` reaches this candidate; None when no lane leads there.

        `translate` asks for the translator even where the upstream speaks the wire itself.
        """
        upstream = self.upstreams[candidate.upstream]
        if upstream.kind == "litellm":
            return Lane.RAW if self.translator.enabled else None
        translates = self.translator.enabled and upstream.translation_wire() is not None
        if wire in upstream.wires and (wire is Wire.EMBEDDINGS or not (translate and translates)):
            return Lane.DIRECT
        return Lane.TRANSLATED if translates and wire is not Wire.EMBEDDINGS else None

    def needs_unit(self, unit: str) -> bool:
        """Whether an upstream of this plan is a unit that the supervisor runs, e.g. `sandbox`."""
        return any(upstream.base_url == f"{UNIT_URL}{unit}" for upstream in self.upstreams.values())

    def to_json(self) -> bytes:
        """The text of plan.json: sorted, indented, with its schema number."""
        return (json.dumps({"schema": PLAN_SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote. Raises ValueError, KeyError or TypeError on anything else."""
        held: dict[str, Any] = json.loads(text)
        if held.get("schema") != PLAN_SCHEMA:
            raise ValueError(f"plan schema {held.get('schema')} is not {PLAN_SCHEMA}")
        gateway = held["gateway"]
        return cls(
            profile=held["profile"],
            gateway=GatewaySettings(
                **{
                    **_tuples(gateway, "allowed_hosts", "allowed_origins", "client_keys"),
                    "timeouts": Timeouts(**gateway["timeouts"]),
                }
            ),
            translator=TranslatorSettings(**_tuples(held["translator"], "environment")),
            upstreams={name: _upstream(value) for name, value in held["upstreams"].items()},
            models=tuple(_model(value) for value in held["models"]),
            policy=Policy(**{**held["policy"], "strategy": Strategy(held["policy"]["strategy"])}),
            services=tuple(Service(**_tuples(value, "command", "depends_on")) for value in held["services"]),
            prices=held["prices"],
            state=SharedState(**held["state"]),
            ledger_days=held["ledger_days"],
        )


def gateway_units(workers: int) -> tuple[str, ...]:
    """The names of the gateway's workers as units: `gateway`, `gateway-2`, …"""
    return ("gateway", *(f"gateway-{number}" for number in range(2, workers + 1)))


def route_id(upstream: str, wire: Wire) -> str:
    """The name of the `/upstream/<route>` door through which LiteLLM reaches one upstream in one wire."""
    return f"{upstream}.{wire}"


def parse_route(route: str) -> tuple[str, Wire]:
    """The upstream's name and the wire of a route id. Raises ValueError."""
    upstream, dot, wire = route.rpartition(".")
    if not dot or not upstream:
        raise ValueError(f"`{route}` is not a route")
    return upstream, Wire(wire)


def deployment_name(candidate: Candidate, wire: Wire) -> str:
    """The model name under which LiteLLM knows a candidate spoken to in `wire`."""
    return f"{route_id(candidate.upstream, wire)}/{candidate.model}"


def _tuples(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**value, **{name: tuple(value[name]) for name in names}}


def _upstream(value: Mapping[str, Any]) -> Upstream:
    wires = tuple(Wire(wire) for wire in value["wires"])
    return Upstream(**{**_tuples(value, "models"), "wires": wires, "billing": Billing(value["billing"])})


def _model(value: Mapping[str, Any]) -> Model:
    return Model(value["pattern"], tuple(Candidate(**candidate) for candidate in value["candidates"]))
