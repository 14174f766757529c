"""LiteLLM's generated configuration."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Upstream, Wire
from llm_router.translator.config import render

GOLDEN = """\
# Written by llm-router from the active profile, anew at every change: edits here are lost.
# No secret stands in this file; keys are names of variables that LiteLLM gets at its start.
general_settings:
  forward_client_headers_to_llm_api: true
  master_key: os.environ/LITELLM_MASTER_KEY
litellm_settings:
  drop_params: true
  num_retries: 0
  request_timeout: 3600
  route_all_chat_openai_to_responses: true
  use_chat_completions_url_for_anthropic_messages: true
model_list:
- litellm_params:
    _skip_responses_api_bridge: true
    additional_drop_params:
    - reasoning_summary
    - thread
    api_base: http://127.0.0.1:8317/upstream/both.chat/v1
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: openai/*
    use_chat_completions_api: true
  model_name: both.chat/*
- litellm_params:
    _skip_responses_api_bridge: true
    additional_drop_params:
    - reasoning_summary
    - thread
    api_base: http://127.0.0.1:8317/upstream/both.chat/v1
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: openai/gpt-x
    use_chat_completions_api: true
  model_name: both.chat/gpt-x
- litellm_params:
    api_base: http://127.0.0.1:8317/upstream/claude.messages
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: anthropic/*
  model_name: claude.messages/*
- litellm_params:
    api_base: http://127.0.0.1:8317/upstream/claude.messages
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: anthropic/opus
  model_name: claude.messages/opus
- litellm_params:
    api_base: http://127.0.0.1:8317/upstream/modern.responses/v1
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: openai/responses/*
  model_name: modern.responses/*
- litellm_params:
    api_base: http://127.0.0.1:8317/upstream/modern.responses/v1
    api_key: os.environ/LLM_ROUTER_DOOR_KEY
    model: openai/responses/gpt-y
  model_name: modern.responses/gpt-y
router_settings:
  disable_cooldowns: true
  num_retries: 0
"""


def upstream(name: str, *wires: Wire, models: tuple[str, ...] = (), kind: str = "openai") -> Upstream:
    return Upstream(name, kind, "https://upstream.example/v1", wires, key="env:KEY", models=models)


def plan(*upstreams: Upstream, models: tuple[Model, ...] = (), host: str = "127.0.0.1") -> Plan:
    return Plan(
        profile="balanced",
        gateway=GatewaySettings(host=host),
        translator=TranslatorSettings(),
        upstreams={upstream.name: upstream for upstream in upstreams},
        models=models,
    )


def decoded(held: Plan, base: Mapping[str, object] | None = None) -> dict[str, Any]:
    return dict(yaml.safe_load(render(held, base or {})))


def test_every_wire_once():
    """Each upstream is reached in one wire, under a name for each candidate and one for any other model."""
    held = plan(
        upstream("modern", Wire.RESPONSES, models=("gpt-y",)),
        upstream("both", Wire.CHAT, Wire.RESPONSES, Wire.EMBEDDINGS),
        upstream("claude", Wire.MESSAGES, kind="anthropic"),
        upstream("vectors", Wire.EMBEDDINGS),
        upstream("litellm", Wire.CHAT, kind="litellm"),
        models=(
            Model("fast", (Candidate("both", "gpt-x"), Candidate("claude", "opus"), Candidate("litellm", "raw"))),
            Model("claude-*", (Candidate("claude", "*"),)),
        ),
    )

    assert render(held, {}).decode() == GOLDEN


def test_equal_plans_give_equal_bytes():
    """The order in which accounts and aliases were written makes no new LiteLLM."""
    first = plan(upstream("a", Wire.CHAT), upstream("b", Wire.MESSAGES, models=("m", "n")))
    second = plan(upstream("b", Wire.MESSAGES, models=("n", "m")), upstream("a", Wire.CHAT))

    assert render(first, {}) == render(second, {})


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8317"),
        ("0.0.0.0", "http://127.0.0.1:8317"),
        ("::", "http://[::1]:8317"),
        ("::1", "http://[::1]:8317"),
        ("192.168.1.5", "http://192.168.1.5:8317"),
        ("localhost", "http://localhost:8317"),
    ],
)
def test_way_back_to_the_gateway(host: str, address: str):
    """LiteLLM reaches the gateway by the address it listens on, or by loopback when it listens on all."""
    held = decoded(plan(upstream("a", Wire.MESSAGES), host=host))

    assert f"{address}/upstream/a.messages" == held["model_list"][0]["litellm_params"]["api_base"]


def test_base_is_laid_under_our_settings():
    """What a user sets for LiteLLM is kept, except what the gateway decides."""
    base = {
        "model_list": ({"model_name": "bedrock", "litellm_params": {"model": "bedrock/x", "aws_region_name": "eu"}},),
        "litellm_settings": {"num_retries": 3, "request_timeout": 30, "modify_params": True},
        "router_settings": {"cooldown_time": 10, "allowed_fails": 2, "routing_strategy": "least-busy"},
    }

    held = decoded(plan(), base)

    assert held["model_list"] == [
        {"model_name": "bedrock", "litellm_params": {"model": "bedrock/x", "aws_region_name": "eu"}}
    ]
    assert held["litellm_settings"] == {
        "drop_params": True,
        "modify_params": True,
        "num_retries": 0,
        "request_timeout": 3600,
        "route_all_chat_openai_to_responses": True,
        "use_chat_completions_url_for_anthropic_messages": True,
    }
    assert held["router_settings"] == {"disable_cooldowns": True, "num_retries": 0, "routing_strategy": "least-busy"}


@pytest.mark.parametrize(
    ("parameters", "kept_to_chat"),
    [
        ({"model": "openai/x", "api_base": "http://127.0.0.1:1/v1"}, True),
        ({"model": "openai/x"}, False),
        ({"model": "openai/responses/x", "api_base": "http://127.0.0.1:1/v1"}, False),
        ({"model": "bedrock/x", "api_base": "http://127.0.0.1:1/v1"}, False),
    ],
)
def test_raw_model_of_another_server_is_asked_in_chat(parameters: dict[str, str], kept_to_chat: bool):
    """Our global settings do not send a raw model for some chat server to its `/v1/responses`."""
    base = {"model_list": [{"model_name": "raw", "litellm_params": parameters}]}

    written = decoded(plan(), base)["model_list"][0]["litellm_params"]

    extra = {"_skip_responses_api_bridge": True, "use_chat_completions_api": True} if kept_to_chat else {}
    assert {**parameters, **extra} == written
