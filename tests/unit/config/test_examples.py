"""Every example loads, compiles and renders; the one that bootstrap writes is the one that is shown."""

from pathlib import Path

import pytest

from llm_router.config.default import example
from llm_router.config.load import load
from llm_router.control.activation import compiled

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
OLDER = {"routertool.yaml", "routertool-v1.json"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_loads(path):
    """With no environment at all, in every profile, down to LiteLLM's own file."""
    found = load(path, environ={})

    assert found.migrated is (path.name in OLDER)
    for profile in found.settings.profiles:
        plan, translator = compiled(found.settings, profile)
        assert plan.models
        assert translator.startswith(b"#")


def test_each_kind_of_provider_has_an_example():
    """One for each kind, a relay, and an external service."""
    kinds = {
        provider.kind for path in EXAMPLES.iterdir() for provider in load(path, environ={}).settings.providers.values()
    }

    assert kinds == {"sandbox", "openai", "anthropic"}
    assert load(EXAMPLES / "external-service.yaml", environ={}).settings.services


def test_the_example_is_what_bootstrap_writes():
    """The file of the package and the one in config/examples are one text."""
    assert example() == (EXAMPLES / "router.yaml").read_bytes()


def test_the_example_is_the_embedded_default(tmp_path):
    """Written or left out, the default means the same."""
    path = tmp_path / "router.yaml"
    path.write_text("config_version: 3\n")

    assert load(path, environ={}).settings == load(EXAMPLES / "router.yaml", environ={}).settings
