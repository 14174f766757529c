"""An older routertool.yaml means in version 3 what it meant before."""

from pathlib import Path

import pytest

from llm_router.config.compile import compile_plan
from llm_router.config.document import decode as decode_text
from llm_router.config.edit import migrated_text
from llm_router.config.load import decode, load
from llm_router.config.migrate import is_older, migrate
from llm_router.config.problems import ConfigError
from llm_router.routing.plan import Candidate, Model, Policy, Upstream, Wire

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
FOLDER = Path("/work-of-somebody/config")
MODEL = "{model_name: a, litellm_params: {model: openai/x, api_base: 'http://h/v1', api_key: os.environ/K}}"


def migrated(text):
    return migrate(decode_text(text, "f"), FOLDER)


def refused(text):
    with pytest.raises(ConfigError) as caught:
        decode(decode_text(text, "f"), FOLDER / "f")
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"config_version": 1}, True),
        ({"config_version": 2}, True),
        ({"litellm_base": {}}, True),
        ({"paths": {}}, True),
        ({"config_version": 3, "paths": {}}, False),
        ({"config_version": True, "paths": {}}, False),
        ({"config_version": None, "paths": {}}, False),
        ({}, False),
    ],
)
def test_which_files_are_older(value, wanted):
    """Versions 1 and 2, and files of the old form without a version."""
    assert is_older(value) is wanted


def test_the_sample_means_the_same():
    """The example of version 2: providers, models, ports and all three profiles."""
    found = load(EXAMPLES / "routertool.yaml", environ={})
    plan = compile_plan(found.settings, "balanced")

    assert found.migrated
    assert (found.settings.profile, plan.gateway.port, plan.translator.port) == ("balanced", 8318, 4000)
    assert plan.gateway.timeouts.first_byte == 30
    assert plan.upstreams == {
        name: Upstream(
            name=name,
            kind="openai",
            base_url="http://127.0.0.1:8317/v1",
            wires=(Wire.CHAT, Wire.EMBEDDINGS),
            key=key,
        )
        for name, key in [
            ("cliproxyapi_plus", "env:ROUTER_UPSTREAM_API_KEY"),
            ("cliproxyapi_plus-2", "env:CUSTOM_API_KEY"),
        ]
    }
    assert plan.models == (
        Model("router-default", (Candidate("cliproxyapi_plus", "router-default"),)),
        Model("router-cheap", (Candidate("cliproxyapi_plus-2", "gpt-4o-mini"),)),
    )
    (service,) = plan.services
    assert (service.name, service.port, service.readiness_path) == ("cliproxyapi_plus", 8317, "/")
    assert service.command == ("./bin/CLIProxyAPIPlus", "--config", "./cliproxyapi.yaml")
    assert service.cwd == str(EXAMPLES.parent)
    assert found.settings.litellm_base("balanced") == {
        "router_settings": {"routing_strategy": "simple-shuffle", "enable_pre_call_checks": True}
    }


@pytest.mark.parametrize(
    ("profile", "policy"),
    [
        ("reliability", Policy(3, 2, 60, fallbacks={"router-default": "router-cheap"})),
        ("balanced", Policy(2, 3, 30, fallbacks={"router-default": "router-cheap"})),
        ("cost", Policy(1, 4, 10, fallbacks={"router-cheap": "router-default"})),
    ],
)
def test_the_samples_profiles(profile, policy):
    """The numbers move from LiteLLM's settings to the profile."""
    settings = load(EXAMPLES / "routertool.yaml", environ={}).settings

    assert compile_plan(settings, profile).policy == policy


def test_version_1_in_json():
    """`cliproxyapi`, `secrets` and `health_path` are the older names; what only LiteLLM serves stays with it."""
    found = load(EXAMPLES / "routertool-v1.json", environ={})
    plan = compile_plan(found.settings, "balanced")

    assert [service.name for service in plan.services] == ["cliproxyapi_plus"]
    assert plan.services[0].readiness_path == "/"
    assert plan.upstreams["litellm"].models == ("router-cheap",)
    assert plan.models[1] == Model("router-cheap", (Candidate("litellm", "router-cheap"),))
    assert found.settings.litellm_base("balanced")["model_list"] == [
        {
            "model_name": "router-cheap",
            "litellm_params": {"model": "bedrock/anthropic.claude-haiku-4-5", "aws_region_name": "us-east-1"},
        }
    ]
    assert any("`auths/codex.json`" in notice for notice in found.notices)


@pytest.mark.parametrize("name", ["routertool.yaml", "routertool-v1.json"])
def test_what_is_written_means_the_same(tmp_path, name):
    """The text of `config migrate` loads to the same settings, as version 3."""
    found = load(EXAMPLES / name, environ={})
    path = tmp_path / "router.yaml"
    path.write_text(migrated_text(found))
    again = load(path, environ={})

    assert (again.settings, again.migrated, again.notices) == (found.settings, False, ())


def test_notices():
    """What is left behind is said, each thing once."""
    text = (
        "config_version: 2\npaths: {runtime_dir: x}\noauth: {codex: {auth_url_endpoint: http://x}}\n"
        "secret_files: [a.json, b.json]\n"
        "services: {litellm: {command: {args: [litellm]}, host: 0.0.0.0, port: 4001}}\n"
        "litellm_base: {litellm_settings: {cache: true, drop_params: true}, general_settings: {x: 1}, model_list: ["
        "{model_name: b, litellm_params: {model: bedrock/x}}]}\n"
        "profiles: {Fast One: {litellm_settings: {num_retries: 1}}}\n"
    )
    result = migrated(text)

    assert result.notices == (
        "`f` has config_version 2; `router config migrate` writes it as version 3",
        "`services.litellm` is dropped: the router runs its own LiteLLM",
        "only LiteLLM serves `b`; it is given the variables that stand in `litellm.base` as `os.environ/NAME`, "
        "and no others",
        "`paths` is dropped: everything that is generated lives in the `.router/` folder",
        "`secret_files` is dropped; keep these files private yourself (chmod 600): `a.json`, `b.json`",
        "`oauth` is dropped: signing in at an external proxy is that proxy's own affair",
        "LiteLLM listened on 0.0.0.0; the gateway listens on 127.0.0.1 until `gateway.host` is set",
        "`litellm_settings.cache` is dropped: LiteLLM only translates, and keeps and sends nothing",
        "`general_settings` of LiteLLM's settings is dropped: the router sets it",
    )
    assert result.document["litellm"]["port"] == 4001
    assert result.document["litellm"]["base"]["litellm_settings"] == {"drop_params": True}
    assert list(result.document["profiles"]) == ["fast-one"]
    assert result.document["profile"] == "fast-one"


def test_the_gateway_avoids_what_is_taken():
    """It keeps 8317 unless a service or an upstream of this machine holds it."""
    free = migrated("config_version: 2\n")
    upstream = migrated(
        f"config_version: 2\nlitellm_base: {{model_list: [{MODEL.replace('//h', '//localhost:8317')}]}}\n"
    )
    both = migrated(
        "config_version: 2\nservices: {litellm: {command: {args: [x]}, port: 8318}, a: {command: {args: [x]}}}\n"
    )

    assert [held.document["gateway"]["port"] for held in (free, upstream, both)] == [8317, 8318, 8319]


def test_master_key_becomes_a_client_key():
    """Whoever knew LiteLLM's key still gets in."""
    result = migrated("config_version: 2\nlitellm_base: {general_settings: {master_key: os.environ/MASTER}}\n")

    assert result.document["gateway"]["client_keys"] == ["file:keys/local.key", "env:MASTER"]


def test_numbers_of_the_base_reach_every_profile():
    """An overlay wins over the base, and the router's settings over LiteLLM's."""
    text = (
        f"config_version: 2\nlitellm_base: {{model_list: [{MODEL}], litellm_settings: {{num_retries: 4, "
        "allowed_fails: 0, cooldown_time: 7}}\n"
        "profiles: {a: {router_settings: {num_retries: 5}}, b: {litellm_settings: {cooldown_time: 1.5}}}\n"
    )
    profiles = migrated(text).document["profiles"]

    assert profiles == {
        "a": {"retries": 5, "failures_until_degraded": 1, "cooldown": 7, "fallbacks": {}},
        "b": {"retries": 4, "failures_until_degraded": 1, "cooldown": 1.5, "fallbacks": {}},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "config_version: 2\nsevices: {}\n",
            "f:2: sevices: there is no such key; known here: config_version, paths, services, litellm_base, profiles, "
            "oauth, secret_files, secrets",
        ),
        ("config_version: 1\nprofiles: []\n\n", None),
        ("config_version: 1\nprofiles: [a]\n", "f:2: profiles: must be a mapping"),
        ("config_version: 1\nservices: {a: 1}\n", "f:2: services.a: must be a mapping with `command`"),
        (
            "config_version: 1\nservices:\n  a: {command: {args: ls}}\n",
            "f:3: services.a.command.args: must be a list of text",
        ),
        (
            "config_version: 1\nservices: {a: {command: {args: [x]}, port: b}}\n",
            "f:2: services.a.port: must be a whole number",
        ),
        ("config_version: 1\nprofiles: {a: 3}\n", "f:2: profiles.a: must be a mapping"),
        (
            "config_version: 1\nlitellm_base:\n  model_list:\n    - {model_name: a}\n",
            "f:4: litellm_base.model_list[0]: needs `model_name` and `litellm_params.model`",
        ),
        (
            "config_version: 1\nprofiles:\n  Mine: {litellm_settings: {num_retries: -1}}\n",
            "f:3: profiles.mine.retries: must be greater than or equal to 0",
        ),
        (
            f"config_version: 1\nlitellm_base:\n  model_list:\n    - {MODEL.replace(': a', ': a b')}\n",
            "f:4: models.a b: a model's name is 1 to 200 characters without white space",
        ),
        (
            f"config_version: 1\nlitellm_base:\n  model_list:\n    - {MODEL.replace('os.environ/K', 'canary')}\n",
            "f:4: litellm_base.model_list[0].litellm_params.api_key: a key never stands in the configuration itself",
        ),
    ],
)
def test_refused(text, message):
    """An older file is checked as strictly, with its own lines."""
    if message is None:
        assert decode(decode_text(text, "f"), FOLDER / "f").settings
    else:
        assert message == refused(text)
