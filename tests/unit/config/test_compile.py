"""Settings and a profile become a plan: whole values compared."""

from pathlib import Path

import pytest

from llm_router.config.compile import compile_plan
from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.errors import UnknownName
from llm_router.routing.plan import (
    Billing,
    Candidate,
    GatewaySettings,
    Model,
    Plan,
    Policy,
    Service,
    Strategy,
    Timeouts,
    TranslatorSettings,
    Upstream,
    Wire,
)

WHOLE = """
config_version: 3
gateway:
  host: 0.0.0.0
  port: 9000
  max_body_bytes: 1MiB
  allowed_hosts: [router.lan]
  allowed_origins: ["http://localhost:3000"]
  client_keys: [env:CLIENT_KEY]
  timeouts: {connect: 1, first_byte: 2, idle: 3, translator: 4}
litellm:
  port: 9001
  base:
    model_list:
      - {model_name: raw, litellm_params: {model: bedrock/x, aws_secret_access_key: os.environ/AWS_SECRET}}
      - {model_name: raw, litellm_params: {model: bedrock/x, aws_access_key_id: os.environ/AWS_ID}}
      - {model_name: wild-*, litellm_params: {model: bedrock/*}}
    router_settings: {routing_strategy: simple-shuffle, retry_after: 1}
services:
  local:
    command: [serve, -p, "9002"]
    cwd: /srv
    port: 9002
    readiness_path: /up
    environment: {A: b}
    depends_on: [gateway]
providers:
  openai: {kind: openai, key: file:keys/openai.key, models: [gpt-5, gpt-5]}
  anthropic: {kind: anthropic, headers: {x-a: b}}
  sandbox: {kind: sandbox, wires: [messages], billing: plan, weight: 7}
models:
  best: [openai/gpt-5, anthropic/claude, openai/gpt-5]
  raw: litellm/raw
  "*": openai/*
profiles:
  night:
    retries: 5
    failures_until_degraded: 4
    cooldown: 1.5
    cooldown_cap: 60
    strategy: weighted
    affinity: false
    plan_to_paid: true
    fallbacks: {best: raw}
    models:
      best: sandbox/echo-1
      extra: sandbox/echo-2
    litellm:
      router_settings: {routing_strategy: latency, fallback_key: os.environ/OVERLAY}
"""
ALL = tuple(Wire)


def settings_of(text):
    return decode(decode_text(text, "f"), Path("/nowhere/f")).settings


def test_whole_plan():
    """Every field of the configuration arrives in the plan."""
    plan = compile_plan(settings_of(WHOLE), "night")

    assert plan == Plan(
        profile="night",
        gateway=GatewaySettings(
            host="0.0.0.0",
            port=9000,
            max_body_bytes=1024 * 1024,
            allowed_hosts=("router.lan",),
            allowed_origins=("http://localhost:3000",),
            client_keys=("env:CLIENT_KEY",),
            timeouts=Timeouts(connect=1, first_byte=2, idle=3, translator=4),
        ),
        translator=TranslatorSettings(enabled=True, port=9001, environment=("AWS_ID", "AWS_SECRET", "OVERLAY")),
        upstreams={
            "openai": Upstream(
                name="openai",
                kind="openai",
                base_url="https://api.openai.com/v1",
                wires=(Wire.CHAT, Wire.RESPONSES, Wire.EMBEDDINGS),
                key="file:keys/openai.key",
                models=("gpt-5",),
            ),
            "anthropic": Upstream(
                name="anthropic",
                kind="anthropic",
                base_url="https://api.anthropic.com",
                wires=(Wire.MESSAGES,),
                headers={"x-a": "b"},
            ),
            "sandbox": Upstream(
                name="sandbox",
                kind="sandbox",
                base_url="unit://sandbox",
                wires=(Wire.MESSAGES,),
                billing=Billing.PLAN,
                weight=7,
            ),
            "litellm": Upstream(name="litellm", kind="litellm", base_url="", wires=(), models=("raw",)),
        },
        models=(
            Model("best", (Candidate("sandbox", "echo-1"),)),
            Model("raw", (Candidate("litellm", "raw"),)),
            Model("*", (Candidate("openai", "*"),)),
            Model("extra", (Candidate("sandbox", "echo-2"),)),
        ),
        policy=Policy(
            retries=5,
            failures_until_degraded=4,
            cooldown=1.5,
            cooldown_cap=60,
            strategy=Strategy.WEIGHTED,
            affinity=False,
            plan_to_paid=True,
            fallbacks={"best": "raw"},
        ),
        services=(
            Service(
                name="local",
                command=("serve", "-p", "9002"),
                cwd="/srv",
                environment={"A": "b"},
                port=9002,
                readiness_path="/up",
                depends_on=("gateway",),
            ),
        ),
    )
    assert Plan.from_json(plan.to_json()) == plan


def test_overlay_of_litellm():
    """A profile's LiteLLM settings are merged into the base, lists and scalars replaced."""
    base = settings_of(WHOLE).litellm_base("night")

    assert base["router_settings"] == {
        "routing_strategy": "latency",
        "retry_after": 1,
        "fallback_key": "os.environ/OVERLAY",
    }
    assert len(base["model_list"]) == 3


@pytest.mark.parametrize(
    ("profile", "policy"),
    [
        ("reliability", Policy(3, 2, 60, fallbacks={"router-default": "router-cheap"})),
        ("balanced", Policy(2, 3, 30, fallbacks={"router-default": "router-cheap"})),
        ("cost", Policy(1, 4, 10, fallbacks={"router-cheap": "router-default"})),
    ],
)
def test_profiles_that_ship(profile, policy):
    """The numbers of the three profiles."""
    plan = compile_plan(settings_of("config_version: 3\n"), profile)

    assert plan.policy == policy
    assert plan.upstreams == {
        "sandbox": Upstream(name="sandbox", kind="sandbox", base_url="unit://sandbox", wires=ALL, models=("echo-1",))
    }


def test_shipped_fallbacks_follow_the_models():
    """A fallback that ships is left out where its models are not configured."""
    plan = compile_plan(settings_of("config_version: 3\nmodels: {a: sandbox/echo-1}\n"), "balanced")

    assert plan.policy.fallbacks == {}


def test_unknown_profile():
    """The names that exist, nearest first."""
    with pytest.raises(UnknownName) as caught:
        compile_plan(settings_of("config_version: 3\n"), "cots")

    assert caught.value.message == "There is no profile `cots`; known: cost, balanced, reliability"
    assert caught.value.exit_code == 2
