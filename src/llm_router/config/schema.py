"""What router.yaml may hold: one frozen model for each part of it, decoded strictly.

Numbers of seconds are `float` seconds; sizes are bytes, written as a number or as text such as `32MiB`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from llm_router.config.profiles import DEFAULT_PROFILE
from llm_router.errors import RouterError
from llm_router.routing.plan import UNIT_URL, Billing, Strategy, Wire
from llm_router.routing.shared_state import DEFAULT_PREFIX, MEMORY, BadStateAddress, SharedState
from llm_router.secrets.references import Reference, Store

SANDBOX_URL = f"{UNIT_URL}sandbox"
_UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SIZE = re.compile(r"(\d{1,15})\s*([A-Za-z]*)")
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_MODEL_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+")
# Headers that belong to one connection, or that the gateway works out for each request.
_OWN_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _refuse(message: str, **context: str) -> PydanticCustomError:
    return PydanticCustomError("config", "{message}", {"message": message, **context})


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None or found[2] not in _UNITS:
        raise _refuse("must be a number of bytes, or a size such as `32MiB`")
    return int(found[1]) * _UNITS[found[2]]


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise _refuse("a name is made of a-z, 0-9, `-` and `_`, at most 64 of them")
    return value


def _model_name(value: str) -> str:
    if not _MODEL_NAME.fullmatch(value):
        raise _refuse("a model's name is 1 to 200 characters without white space")
    return value


def _candidate(value: str) -> str:
    provider, slash, model = value.partition("/")
    if not slash or not provider or not _MODEL_NAME.fullmatch(model):
        raise _refuse("must be `provider/model`, for example `sandbox/echo-1`")
    if "*" in model and model != "*":
        raise _refuse("`*` stands alone: `provider/*` passes on the name that was asked for")
    return value


def _reference(value: str) -> str:
    try:
        return str(Reference.parse(value))
    except RouterError as error:
        raise _refuse(error.message, hint=" ".join(error.hints)) from None


def _base_url(value: str) -> str:
    if value == SANDBOX_URL:
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isascii() or not value.isprintable() or " " in value:
        raise _refuse("must be an address such as `https://api.example.com/v1`")
    if parts.username is not None or parts.password is not None:
        raise _refuse("an address holds no user name or password; name the key under `key`")
    if "?" in value or "#" in value:
        raise _refuse("an address has no query and no fragment")
    return value.rstrip("/")


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise _refuse("is not the name of a header")
    if value.lower() in _OWN_HEADERS:
        raise _refuse("the gateway sets this header itself")
    return value


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise _refuse("a header is one line of ASCII text")
    return value


def _plain(value: str) -> str:
    if "\0" in value:
        raise _refuse("holds a null character")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise _refuse("must be a host name or an address, without a scheme or a port")
    return value


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise _refuse("must be an origin such as `http://localhost:3000`, without a path")
    return value


def _literal_or_reference(value: str) -> str:
    is_reference = value.partition(":")[0] in tuple(Store)
    return _reference(value) if is_reference else value


def _path(value: str) -> str:
    if not value.startswith("/") or not value.isprintable() or " " in value:
        raise _refuse("must be a path such as `/health`")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _state(value: str) -> str:
    try:
        SharedState(value)
    except BadStateAddress as error:
        raise _refuse(error.message, hint=" ".join(error.hints)) from None
    return value


Name = Annotated[str, AfterValidator(_name)]
ModelName = Annotated[str, AfterValidator(_model_name)]
KeyReference = Annotated[str, AfterValidator(_reference)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=1024, le=4 * 1024**3)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
# `strict=False` lets a list become a tuple; the items stay strict.
EnvironmentValue = Annotated[str, AfterValidator(_plain), AfterValidator(_literal_or_reference)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Candidates = Annotated[
    tuple[Annotated[str, AfterValidator(_candidate)], ...], BeforeValidator(_listed), Field(strict=False, min_length=1)
]
Models = dict[ModelName, Candidates]


class Part(BaseModel):
    """Base of every part: unknown keys are errors, values are not converted, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TimeoutsPart(Part):
    """`gateway.timeouts`: seconds, each for one thing."""

    connect: Seconds = 5.0
    first_byte: Seconds = 120.0
    idle: Seconds = 120.0
    translator: Seconds = 60.0


class GatewayPart(Part):
    """`gateway`: its door."""

    host: Host = "127.0.0.1"
    port: Port = 8317
    workers: Annotated[int, Field(ge=1, le=32)] = 1
    max_body_bytes: Size = 32 * 1024**2
    allowed_hosts: Annotated[tuple[Host, ...], Field(strict=False)] = ()
    allowed_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], Field(strict=False)] = ()
    client_keys: Annotated[tuple[KeyReference, ...], Field(strict=False)] = ("file:keys/local.key",)
    timeouts: TimeoutsPart = TimeoutsPart()


class RawModelParameters(BaseModel):
    """`litellm_params` of a raw model: LiteLLM's own names, passed on as they are."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model: Text


class RawModel(BaseModel):
    """One entry of LiteLLM's `model_list`, passed on as it is."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model_name: ModelName
    litellm_params: RawModelParameters


class LitellmBasePart(Part):
    """`litellm.base`, and `litellm` of a profile, which is laid over it: LiteLLM's own settings."""

    model_list: Annotated[tuple[RawModel, ...], Field(strict=False)] = ()
    litellm_settings: dict[str, Any] = {}
    router_settings: dict[str, Any] = {}

    def as_mapping(self) -> dict[str, Any]:
        """The parts that were given, as plain values."""
        held = self.model_dump(exclude_unset=True)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in held.items()}


class LitellmPart(Part):
    """`litellm`: whether the translator runs, its familiar door, and models that only it can reach."""

    enabled: bool = True
    port: Port = 4000
    base: LitellmBasePart = LitellmBasePart()


class ServicePart(Part):
    """`services.NAME`: a further supervised command."""

    command: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
    cwd: Annotated[str, AfterValidator(_plain)] = ""
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], EnvironmentValue] = {}
    host: Host = "127.0.0.1"
    port: Port | None = None
    readiness_path: Annotated[str, AfterValidator(_path)] | None = None
    depends_on: Texts = ()


class ProviderPart(Part):
    """`providers.NAME`: one account at an upstream."""

    kind: Literal["sandbox", "openai", "anthropic"]
    base_url: Annotated[str, AfterValidator(_base_url)] | None = None
    key: KeyReference | None = None
    wires: Annotated[tuple[Annotated[Wire, Field(strict=False)], ...], Field(strict=False, min_length=1)] | None = None
    headers: dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]] = {}
    models: Annotated[tuple[ModelName, ...], Field(strict=False)] = ()
    billing: Annotated[Billing, Field(strict=False)] = Billing.METERED
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class ProfilePart(Part):
    """`profiles.NAME`: what happens when an upstream fails, and what differs from the rest of the file."""

    description: str = ""
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    failures_until_degraded: Annotated[int, Field(ge=1, le=1000)] = 3
    cooldown: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 30.0
    cooldown_cap: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 900.0
    strategy: Annotated[Strategy, Field(strict=False)] = Strategy.AS_LISTED
    affinity: bool = True
    plan_to_paid: bool = False
    fallbacks: dict[ModelName, ModelName] = {}
    models: Models = {}
    litellm: LitellmBasePart = LitellmBasePart()


Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class PricePart(Part):
    """`prices.NAME`: dollars per million tokens of a model, of a pattern of names, or of one account's model."""

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_hour: Dollars | None = None


class LedgerPart(Part):
    """`ledger`: how long its rows are kept; 0 keeps them all."""

    retention_days: Annotated[int, Field(ge=0, le=36500)] = 0


class Settings(Part):
    """A whole router.yaml, with what ships filled in."""

    config_version: Literal[3]
    gateway: GatewayPart = GatewayPart()
    litellm: LitellmPart = LitellmPart()
    services: dict[Name, ServicePart] = {}
    providers: dict[Name, ProviderPart] = {}
    models: Models = {}
    profiles: dict[Name, ProfilePart] = {}
    profile: Text = DEFAULT_PROFILE
    prices: dict[ModelName, PricePart] = {}
    ledger: LedgerPart = LedgerPart()
    state: Annotated[str, AfterValidator(_state)] = MEMORY
    state_password: KeyReference | None = None
    state_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_-]{1,64}$")] = DEFAULT_PREFIX

    def litellm_base(self, profile: str) -> Mapping[str, Any]:
        """LiteLLM's own settings in `profile`: mappings are merged, lists and scalars replaced as a whole."""
        return _overlaid(self.litellm.base.as_mapping(), self.profiles[profile].litellm.as_mapping())


def _overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        held = merged.get(key)
        if isinstance(held, Mapping) and isinstance(value, Mapping):
            merged[key] = _overlaid(held, value)
        else:
            merged[key] = value
    return merged
