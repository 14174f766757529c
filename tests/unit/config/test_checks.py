"""What one part of a configuration asks of another."""

import pytest

from llm_router.config.checks import is_loopback
from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.config.problems import ConfigError

OPENAI = "  openai: {kind: openai}\n"


def told(text, tmp_path):
    with pytest.raises(ConfigError) as caught:
        decode(decode_text(f"config_version: 3\n{text}", "f"), tmp_path / "f")
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "models:\n  a: sandbx/echo-1\n",
            "f:3: models.a[0]: there is no provider `sandbx`; did you mean `sandbox`?",
        ),
        ("models:\n  a: [sandbox/x, zz/y]\n", "f:3: models.a[1]: there is no provider `zz`; known: `sandbox`"),
        ("providers: {}\nmodels: {a: zz/y}\n", "f:3: models.a[0]: there is no provider `zz`; known: none"),
        ("models: {a: litellm/x}\n", "f:2: models.a[0]: there is no provider `litellm`; known: `sandbox`"),
        (
            "litellm: {base: {model_list: [{model_name: sonnet, litellm_params: {model: bedrock/x}}]}}\n"
            "models: {a: litellm/sonet}\n",
            "f:3: models.a[0]: there is no model in `litellm.base` `sonet`; did you mean `sonnet`?",
        ),
        ("profiles:\n  mine:\n", "f:3: profiles.mine: must be a mapping"),
        (
            "profiles:\n  mine: {}\n",
            "f:3: profiles.mine: the profile is empty; give it at least `description` or `retries`",
        ),
        (
            "profiles:\n  mine:\n    models:\n      a: zz/y\n",
            "f:5: profiles.mine.models.a[0]: there is no provider `zz`; known: `sandbox`",
        ),
        (
            "profiles:\n  mine:\n    fallbacks:\n      router-defalt: router-cheap\n",
            "f:5: profiles.mine.fallbacks.router-defalt: there is no model `router-defalt`; "
            "did you mean `router-default`?",
        ),
        (
            "profiles:\n  mine:\n    fallbacks:\n"
            "      router-default: router-cheap\n      router-cheap: router-default\n",
            "f:5: profiles.mine.fallbacks.router-default: the fallbacks lead back to where they began: "
            "router-default -> router-cheap -> router-default",
        ),
        (
            "profiles: {mine: {fallbacks: {router-default: router-default}}}\n",
            "f:2: profiles.mine.fallbacks.router-default: the fallbacks lead back to where they began: "
            "router-default -> router-default",
        ),
        (
            "profiles: {mine: {fallbacks: {router-default: claude-*}}}\n",
            "f:2: profiles.mine.fallbacks.router-default: a fallback is a name that can be asked for, not a pattern",
        ),
        (
            "litellm: {base: {model_list: [{model_name: a, litellm_params: {model: x}}]}}\nmodels: {m: litellm/a}\n"
            "profiles: {mine: {litellm: {model_list: [{model_name: b, litellm_params: {model: x}}]}}}\n",
            "f:4: profiles.mine.litellm.model_list: leaves out `a`, which `models.m` names",
        ),
        ("profile: balancd\n", "f:2: profile: there is no profile `balancd`; did you mean `balanced`?"),
        (
            "gateway:\n  host: 0.0.0.0\n  client_keys: []\n",
            "f:3: gateway.host: others can reach this address, so it needs `gateway.client_keys`; or use 127.0.0.1",
        ),
        (
            "gateway:\n  host: router.example.com\n  client_keys: []\n",
            "f:3: gateway.host: others can reach this address, so it needs `gateway.client_keys`; or use 127.0.0.1",
        ),
        (
            "gateway:\n  workers: 2\n",
            "f:3: gateway.workers: 2 workers with `state: memory` would each count limits for themselves, and let "
            "through 2 times what a key may; set `state: redis://127.0.0.1:6379/0`, or leave one worker",
        ),
        ("gateway: {workers: 33}\n", "f:2: gateway.workers: must be less than or equal to 32"),
        ("gateway: {workers: 0}\n", "f:2: gateway.workers: must be greater than or equal to 1"),
        (
            "services:\n  gateway-2: {command: [x]}\n",
            "f:3: services.gateway-2: `gateway-2` is a unit of the router itself; choose another name",
        ),
        ("gateway: {port: 4000}\n", "f: litellm.port: port 4000 is taken by `gateway.port`"),
        (
            "services:\n  a: {command: [x], port: 8317}\n",
            "f:3: services.a.port: port 8317 is taken by `gateway.port`",
        ),
        (
            "services:\n  a: {command: [x], port: 1}\n  b: {command: [x], port: 1}\n",
            "f:4: services.b.port: port 1 is taken by `services.a.port`",
        ),
        (
            "services:\n  gateway: {command: [x]}\n",
            "f:3: services.gateway: `gateway` is a unit of the router itself; choose another name",
        ),
        (
            "services:\n  a: {command: [x], readiness_path: /}\n",
            "f:3: services.a.readiness_path: needs `port` beside it",
        ),
        (
            "services:\n  a: {command: [x], depends_on: [gatway]}\n",
            "f:3: services.a.depends_on[0]: there is no unit `gatway`; did you mean `gateway`?",
        ),
        (
            "services:\n  a: {command: [x], depends_on: [b]}\n  b: {command: [x], depends_on: [a]}\n",
            "f:3: services.a.depends_on: the services wait for one another: a -> b -> a",
        ),
        (
            "providers:\n  litellm: {kind: openai}\n",
            "f:3: providers.litellm: `litellm` stands for the models of `litellm.base`; choose another name",
        ),
        (
            "providers:\n  a: {kind: anthropic, wires: [messages, chat]}\n",
            "f:3: providers.a.wires[1]: a provider of kind `anthropic` speaks messages",
        ),
        (
            "providers:\n  a: {kind: openai, wires: [messages]}\n",
            "f:3: providers.a.wires[0]: a provider of kind `openai` speaks chat, responses, embeddings",
        ),
        (
            "providers:\n  a: {kind: sandbox, base_url: 'https://api.example.com'}\n",
            "f:3: providers.a.base_url: a sandbox runs on this machine; give a loopback address, or leave it out",
        ),
        (
            "providers:\n  a: {kind: openai, base_url: 'unit://sandbox'}\n",
            "f:3: providers.a.base_url: only a provider of kind `sandbox` has this address",
        ),
    ],
)
def test_refused(tmp_path, text, message):
    """Each contradiction is told where it stands."""
    assert message == told(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "gateway: {host: '::1', client_keys: []}\n",
        "gateway: {host: 0.0.0.0}\n",
        "gateway: {port: 4000}\nlitellm: {enabled: false}\n",
        "providers: {}\n",
        "providers:\n  a: {kind: sandbox, base_url: 'http://[::1]:9000'}\n",
        "profiles: {mine: {fallbacks: {router-default: sandbox/other}}}\n",
        "profiles: {mine: {models: {fast: sandbox/x}, fallbacks: {fast: router-cheap}}}\n",
        "profiles: {mine: {litellm: {model_list: [{model_name: a, litellm_params: {model: bedrock/x}}]},"
        " models: {b: litellm/a}}}\nlitellm: {base: {model_list: [{model_name: c, litellm_params: {model: x}}]}}\n",
        f"providers:\n{OPENAI}models: {{a: openai/*}}\n",
        "services:\n  a: {command: [x], depends_on: [gateway, b]}\n  b: {command: [x]}\n",
    ],
)
def test_allowed(tmp_path, text):
    """What looks odd but is sound passes."""
    assert decode(decode_text(f"config_version: 3\n{text}", "f"), tmp_path / "f").settings


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("localhost", True), ("127.3.2.1", True), ("[::1]", True), ("::", False), ("10.0.0.1", False), ("a.b", False)],
)
def test_loopback(host, wanted):
    """Only names and addresses of this machine count."""
    assert is_loopback(host) is wanted
