"""A key that stands in the configuration is refused with the command that stores it, and never repeated."""

import pytest

from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.config.problems import ConfigError

LITERAL = "a key never stands in the configuration itself"
SHAPED = "this looks like a key, and a key never stands in the configuration itself"
# Put together here, so that nothing in this file looks like a key to those who search for one.
CANARY = "sk-" + "canary0123456789abcdef"


def refused(text, tmp_path):
    with pytest.raises(ConfigError) as caught:
        decode(decode_text(f"config_version: 3\n{text}", "f"), tmp_path / "f")
    assert "canary" not in str(caught.value.as_json())
    return caught.value.message, caught.value.hints[0]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "providers: {openai: {kind: openai, key: canary}}\n",
            f"f:2: providers.openai.key: {LITERAL}",
            "Run `router secret set openai`, then write the reference that it prints in its place",
        ),
        (
            "gateway:\n  client_keys:\n    - canary\n",
            f"f:4: gateway.client_keys[0]: {LITERAL}",
            "Run `router secret set client`, then write the reference that it prints in its place",
        ),
        (
            "providers: {a: {kind: openai, headers: {Authorization: Bearer canary}}}\n",
            "f:2: providers.a.headers.Authorization: a header that carries a secret does not stand here; "
            "name it under `key`",
            "Run `router secret set a`, then write the reference that it prints in its place",
        ),
        (
            "services: {a: {command: [x], environment: {API_KEY: canary}}}\n",
            f"f:2: services.a.environment.API_KEY: {LITERAL}",
            "Run `router secret set a`, then write the reference that it prints in its place",
        ),
        (
            f"services: {{a: {{command: [x, --key, {CANARY}]}}}}\n",
            f"f:2: services.a.command[2]: {SHAPED}",
            "Run `router secret set NAME`, then write the reference that it prints in its place",
        ),
        (
            "litellm: {base: {model_list: [{model_name: a, litellm_params: {model: x/y, api_key: canary}}]}}\n",
            f"f:2: litellm.base.model_list[0].litellm_params.api_key: {LITERAL}",
            "Write `os.environ/API_KEY` in its place, and set that variable where `router up` runs",
        ),
        (
            f"providers: {{a: {{kind: openai, key: 'env:{CANARY}'}}}}\n",
            f"f:2: providers.a.key: {LITERAL}",
            "Run `router secret set a`, then write the reference that it prints in its place",
        ),
        (
            f"profiles: {{mine: {{description: {CANARY}}}}}\n",
            f"f:2: profiles.mine.description: {SHAPED}",
            "Run `router secret set NAME`, then write the reference that it prints in its place",
        ),
    ],
)
def test_refused(tmp_path, text, message, hint):
    """Wherever the key stands, its line and the command are told."""
    assert (message, hint) == refused(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {command: [x], environment: {API_KEY: 'env:A', B: 'file:keys/b.key', MODE: fast}}}\n",
        "litellm: {base: {model_list: [{model_name: a, litellm_params: "
        "{model: x/y, api_key: os.environ/X, max_tokens: 5}}]}}\n",
        "providers: {a: {kind: openai, headers: {x-team: research}}}\n",
    ],
)
def test_allowed(tmp_path, text):
    """References, placeholders of LiteLLM and plain settings pass."""
    assert decode(decode_text(f"config_version: 3\n{text}", "f"), tmp_path / "f").settings
