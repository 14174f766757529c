"""Every secret that the configuration names, with the setting that names it."""

from collections.abc import Iterator

from llm_router.config.schema import Settings
from llm_router.secrets.references import Reference, Store


def named_secrets(settings: Settings) -> Iterator[tuple[str, Reference]]:
    """Setting and reference: of providers, client keys, the shared state, and services' variables."""
    for name, provider in settings.providers.items():
        if provider.key:
            yield f"providers.{name}.key", Reference.parse(provider.key)
    for number, key in enumerate(settings.gateway.client_keys):
        yield f"gateway.client_keys[{number}]", Reference.parse(key)
    if settings.state_password:
        yield "state_password", Reference.parse(settings.state_password)
    for name, service in settings.services.items():
        for variable, value in service.environment.items():
            if value.partition(":")[0] in tuple(Store):
                yield f"services.{name}.environment.{variable}", Reference.parse(value)
