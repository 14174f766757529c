"""What one part of a configuration asks of another: names that must exist, ports that must differ, cycles."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import urlsplit

from llm_router.config.document import KeyPath
from llm_router.config.profiles import BUILT_IN
from llm_router.config.schema import SANDBOX_URL, ProfilePart, ProviderPart, Settings
from llm_router.routing.plan import Wire
from llm_router.routing.shared_state import SharedState

type Finding = tuple[KeyPath, str]

RAW_PROVIDER = "litellm"
UNITS = ("gateway", "litellm", "sandbox", "supervisor", "all")
_WORKER = re.compile(r"gateway-\d+")
WIRES: Mapping[str, tuple[Wire, ...]] = {
    "sandbox": tuple(Wire),
    "openai": (Wire.CHAT, Wire.RESPONSES, Wire.EMBEDDINGS),
    "anthropic": (Wire.MESSAGES,),
}


def findings(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong between the parts, in the order of the file."""
    yield from _gateway(settings)
    yield from _ports(settings)
    yield from _services(settings)
    for name, provider in settings.providers.items():
        yield from _provider(name, provider)
    yield from _models(settings, settings.models, ("models",))
    for name, profile in settings.profiles.items():
        yield from _profile(settings, name, profile)
    if settings.profile not in settings.profiles:
        yield ("profile",), unknown("profile", settings.profile, settings.profiles)


def unknown(kind: str, name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """`there is no <kind> <name>`, and which one may have been meant."""
    near = get_close_matches(name, list(known), n=1)
    listed = ", ".join(f"`{other}`" for other in known) or "none"
    return f"there is no {kind} `{name}`; " + (f"did you mean `{near[0]}`?" if near else f"known: {listed}")


def is_loopback(host: str) -> bool:
    """Whether `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _gateway(settings: Settings) -> Iterator[Finding]:
    gateway = settings.gateway
    if not is_loopback(gateway.host) and not gateway.client_keys:
        message = "others can reach this address, so it needs `gateway.client_keys`; or use 127.0.0.1"
        yield ("gateway", "host"), message
    if gateway.workers > 1 and not SharedState(settings.state).is_shared:
        yield (
            ("gateway", "workers"),
            f"{gateway.workers} workers with `state: memory` would each count limits for themselves, and let through "
            f"{gateway.workers} times what a key may; set `state: redis://127.0.0.1:6379/0`, or leave one worker",
        )


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted: list[tuple[KeyPath, int | None]] = [(("gateway", "port"), settings.gateway.port)]
    if settings.litellm.enabled:
        wanted.append((("litellm", "port"), settings.litellm.port))
    wanted += [(("services", name, "port"), service.port) for name, service in settings.services.items()]
    taken: dict[int, KeyPath] = {}
    for path, port in wanted:
        if port is not None and port in taken:
            yield path, f"port {port} is taken by `{'.'.join(map(str, taken[port]))}`"
        elif port is not None:
            taken[port] = path


def _services(settings: Settings) -> Iterator[Finding]:
    known = [*settings.services, "gateway", "litellm", "sandbox"]
    for name, service in settings.services.items():
        if name in UNITS or _WORKER.fullmatch(name):
            yield ("services", name), f"`{name}` is a unit of the router itself; choose another name"
        if service.readiness_path is not None and service.port is None:
            yield ("services", name, "readiness_path"), "needs `port` beside it"
        for index, other in enumerate(service.depends_on):
            if other not in known:
                yield ("services", name, "depends_on", index), unknown("unit", other, known)
    links = {name: [*service.depends_on] for name, service in settings.services.items()}
    if cycle := _cycle(links):
        yield ("services", cycle[0], "depends_on"), f"the services wait for one another: {' -> '.join(cycle)}"


def _provider(name: str, provider: ProviderPart) -> Iterator[Finding]:
    here: KeyPath = ("providers", name)
    if name == RAW_PROVIDER:
        yield here, "`litellm` stands for the models of `litellm.base`; choose another name"
    for index, wire in enumerate(provider.wires or ()):
        if wire not in WIRES[provider.kind]:
            spoken = ", ".join(WIRES[provider.kind])
            yield (*here, "wires", index), f"a provider of kind `{provider.kind}` speaks {spoken}"
    if provider.base_url is None:
        return
    if provider.kind == "sandbox":
        host = urlsplit(provider.base_url).hostname or ""
        if provider.base_url != SANDBOX_URL and not is_loopback(host):
            yield (*here, "base_url"), "a sandbox runs on this machine; give a loopback address, or leave it out"
    elif provider.base_url == SANDBOX_URL:
        yield (*here, "base_url"), "only a provider of kind `sandbox` has this address"


def _models(
    settings: Settings, models: Mapping[str, Sequence[str]], at: KeyPath, profile: ProfilePart | None = None
) -> Iterator[Finding]:
    listed = profile.litellm.model_list if profile else ()
    raw = {model.model_name for model in listed or settings.litellm.base.model_list}
    known = [*settings.providers, *([RAW_PROVIDER] if raw else [])]
    for alias, candidates in models.items():
        for index, candidate in enumerate(candidates):
            provider, _, model = candidate.partition("/")
            if provider not in known:
                yield (*at, alias, index), unknown("provider", provider, known)
            elif provider == RAW_PROVIDER and model != "*" and model not in raw:
                yield (*at, alias, index), unknown("model in `litellm.base`", model, sorted(raw))


def _profile(settings: Settings, name: str, profile: ProfilePart) -> Iterator[Finding]:
    here: KeyPath = ("profiles", name)
    yield from _models(settings, profile.models, (*here, "models"), profile)
    yield from _left_out(settings, profile, here)
    if not profile.model_fields_set:
        yield here, "the profile is empty; give it at least `description` or `retries`"
    aliases = [*settings.models, *profile.models]
    if not is_as_shipped(name, profile):
        for alias, other in profile.fallbacks.items():
            for wanted in (alias, other):
                if wanted == other and set(other) & set("*?["):
                    yield (*here, "fallbacks", alias), "a fallback is a name that can be asked for, not a pattern"
                elif wanted not in aliases and (wanted == alias or wanted.partition("/")[0] not in settings.providers):
                    yield (*here, "fallbacks", alias), unknown("model", wanted, aliases)
    if cycle := _cycle({alias: [other] for alias, other in profile.fallbacks.items()}):
        yield (*here, "fallbacks", cycle[0]), f"the fallbacks lead back to where they began: {' -> '.join(cycle)}"


def _left_out(settings: Settings, profile: ProfilePart, at: KeyPath) -> Iterator[Finding]:
    """A profile's own model list replaces the base's as a whole, so it must hold what the models still name."""
    held = {model.model_name for model in profile.litellm.model_list}
    for alias, candidates in settings.models.items() if held else ():
        for candidate in candidates if alias not in profile.models else ():
            provider, _, model = candidate.partition("/")
            if provider == RAW_PROVIDER and model != "*" and model not in held:
                yield (*at, "litellm", "model_list"), f"leaves out `{model}`, which `models.{alias}` names"


def is_as_shipped(name: str, profile: ProfilePart) -> bool:
    """Whether a profile's fallbacks are those that ship: these apply as far as their models exist."""
    return name in BUILT_IN and profile.fallbacks == BUILT_IN[name]["fallbacks"]


def _cycle(links: Mapping[str, Sequence[str]]) -> list[str]:
    """The first way that leads back to its start, its first name repeated at the end; else empty."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in links.get(name, ()):
            if found := follow(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in links if (found := follow(name, []))), [])
