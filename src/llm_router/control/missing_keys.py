"""Which keys of providers cannot be had now: a configuration may be right while a key is still to be stored."""

from collections.abc import Mapping

from llm_router.config.schema import Settings
from llm_router.errors import RouterError
from llm_router.home import Home
from llm_router.secrets.references import Reference, Store
from llm_router.secrets.sealed_store import SealedStore
from llm_router.secrets.store import resolve


def missing_keys(settings: Settings, home: Home, environ: Mapping[str, str]) -> list[str]:
    """One line for each provider's key that cannot be read, with what to run; keyrings are not asked."""
    found = []
    for name, provider in settings.providers.items():
        if not provider.key or _needs_the_keyring(Reference.parse(provider.key), home):
            continue
        try:
            resolve(provider.key, home=home, environ=environ)
        except RouterError as error:
            found.append(f"providers.{name}.key: {error.message} ({error.hints[0]})")
    return found


def _needs_the_keyring(reference: Reference, home: Home) -> bool:
    if reference.store is Store.SEALED:
        return SealedStore(home, {}).path(reference.place).exists()
    return reference.store is Store.KEYRING
