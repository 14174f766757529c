"""Keys that the configuration names and nobody has stored."""

from pathlib import Path

import pytest

from llm_router.config.schema import Settings
from llm_router.control.missing_keys import missing_keys
from llm_router.home import Home, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one stored key."""
    held = Home(tmp_path / ".router")
    held.create()
    write_private(held.keys / "stored.key", b"sk-1\n")
    return held


def settings(**keys: str | None) -> Settings:
    """One provider for each key."""
    providers = {name: {"kind": "openai", "key": key, "models": ["m"]} for name, key in keys.items()}
    return Settings.model_validate({"config_version": 3, "providers": providers})


def test_all_there(home: Home):
    """A stored key, a variable, no key at all, and a keyring, which is not asked."""
    held = settings(a="file:keys/stored.key", b="env:THE_KEY", c=None, d="keyring:service/entry")

    assert missing_keys(held, home, {"THE_KEY": "sk-2"}) == []


def test_what_is_missing(home: Home):
    """Each with its path and what to run."""
    assert missing_keys(settings(a="file:keys/other.key", b="env:THE_KEY"), home, {}) == [
        f"providers.a.key: The secret `file:keys/other.key` is not there: `{home.keys / 'other.key'}` does not exist "
        "(Run `router secret set other --plain`)",
        "providers.b.key: The secret `env:THE_KEY` is not set in the environment "
        "(Run `export THE_KEY=…` in the shell that starts the router, then `router up`)",
    ]
