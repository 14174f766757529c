"""Each setting knows where it came from."""

import pytest

from llm_router.config.environment import from_flag
from llm_router.config.explain import Explanation, explain
from llm_router.config.load import load
from llm_router.errors import UnknownName

TEXT = """config_version: 3
gateway:
  port: 9000
  client_keys:
    - env:A
models:
  gpt-4.1: sandbox/echo-1
  b: [sandbox/echo-1, sandbox/echo-2]
profiles:
  cost:
    retries: 9
"""


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "router.yaml"
    path.write_text(TEXT)
    return load(path, environ={"ROUTER_GATEWAY_HOST": "localhost"}, flags=[from_flag("litellm.port=4001")])


def line(loaded, number):
    return f"{loaded.path}:{number}"


SHIPS = ("default", "ships with llm-router")


def test_the_four_origins(loaded):
    """Flag, variable, line of the file, default."""
    assert explain(loaded, "litellm.port") == [Explanation("litellm.port", 4001, "flag", "--set litellm.port")]
    assert explain(loaded, "gateway.host") == [Explanation("gateway.host", "localhost", "env", "ROUTER_GATEWAY_HOST")]
    assert explain(loaded, "gateway.port") == [Explanation("gateway.port", 9000, "file", line(loaded, 3))]
    assert explain(loaded, "litellm.enabled") == [Explanation("litellm.enabled", True, *SHIPS)]


def test_a_part(loaded):
    """A part is explained leaf by leaf; what ships inside a part of the file is told apart."""
    assert explain(loaded, "profiles.cost") == [
        Explanation(
            "profiles.cost.description", "Few retries; the cheap model first, the better one when it fails", *SHIPS
        ),
        Explanation("profiles.cost.retries", 9, "file", line(loaded, 11)),
        Explanation("profiles.cost.failures_until_degraded", 4, *SHIPS),
        Explanation("profiles.cost.cooldown", 10.0, *SHIPS),
        Explanation("profiles.cost.cooldown_cap", 900.0, *SHIPS),
        Explanation("profiles.cost.strategy", "as-listed", *SHIPS),
        Explanation("profiles.cost.affinity", True, *SHIPS),
        Explanation("profiles.cost.plan_to_paid", False, *SHIPS),
        Explanation("profiles.cost.fallbacks.router-cheap", "router-default", *SHIPS),
        Explanation("profiles.cost.models", {}, *SHIPS),
        Explanation("profiles.cost.litellm.model_list", [], *SHIPS),
        Explanation("profiles.cost.litellm.litellm_settings", {}, *SHIPS),
        Explanation("profiles.cost.litellm.router_settings", {}, *SHIPS),
    ]


def test_names_with_dots_and_items_of_lists(loaded):
    """Keys are found by their longest match."""
    assert explain(loaded, "models.gpt-4.1") == [
        Explanation("models.gpt-4.1[0]", "sandbox/echo-1", "file", line(loaded, 7))
    ]
    assert explain(loaded, "models.b[1]") == [Explanation("models.b[1]", "sandbox/echo-2", "file", line(loaded, 8))]
    assert explain(loaded, "providers.sandbox.models[0]") == [
        Explanation("providers.sandbox.models[0]", "echo-1", *SHIPS)
    ]


def test_everything(loaded):
    """Without a key every leaf is explained, each once."""
    keys = [explanation.key for explanation in explain(loaded, "")]

    assert len(keys) == len(set(keys))
    assert keys[0] == "config_version"
    assert "providers.sandbox.kind" in keys


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("gateway.prot", "There is no setting `gateway.prot`; known: gateway.port, gateway.host, "),
        ("gatway", "There is no setting `gatway`; known: gateway, "),
        ("models.b[7]", "There is no setting `models.b[7]`; known: models.b["),
        ("gateway.port.x", "There is no setting `gateway.port.x`; known: gateway.port"),
    ],
)
def test_unknown(loaded, key, message):
    """The settings that exist there, nearest first."""
    with pytest.raises(UnknownName) as caught:
        explain(loaded, key)

    assert caught.value.message.startswith(message)
