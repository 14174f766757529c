"""Every environment variable that overrides a setting, declared once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from llm_router.config.document import KeyPath, dotted
from llm_router.errors import UnknownName, UsageError


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable and the setting that it overrides."""

    name: str
    path: KeyPath
    help: str


VARIABLES = (
    Variable("ROUTER_GATEWAY_HOST", ("gateway", "host"), "The address the gateway listens on"),
    Variable("ROUTER_GATEWAY_PORT", ("gateway", "port"), "The port the gateway listens on"),
    Variable("ROUTER_LITELLM_ENABLED", ("litellm", "enabled"), "Whether LiteLLM runs: true or false"),
    Variable("ROUTER_LITELLM_PORT", ("litellm", "port"), "LiteLLM's familiar door"),
    Variable("ROUTER_PROFILE", ("profile",), "The profile to start with"),
)


@dataclass(frozen=True, slots=True)
class Override:
    """One setting that a flag or an environment variable decides instead of the file."""

    path: KeyPath
    value: object
    origin: str  # `flag` or `env`
    place: str  # the flag's or the variable's name


def from_environment(environ: Mapping[str, str]) -> Iterator[Override]:
    """The overrides that are set; an empty variable counts as unset."""
    for variable in VARIABLES:
        if text := environ.get(variable.name, ""):
            yield Override(variable.path, _scalar(text), "env", variable.name)


def from_flag(text: str) -> Override:
    """Read `KEY=VALUE` of `--set`, for the settings that may be overridden. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"`--set {text}` is not KEY=VALUE", hints=["For example `--set gateway.port=8318`"])
    paths = {dotted(variable.path): variable.path for variable in VARIABLES}
    if key not in paths:
        raise UnknownName("setting that `--set` takes", key, paths)
    return Override(paths[key], _scalar(value), "flag", f"--set {key}")


def _scalar(text: str) -> object:
    """`8318` as a number, `true` as a boolean, anything else as text."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return value if isinstance(value, bool | int | float) else text
