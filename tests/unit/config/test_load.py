"""Loading: the golden texts of what goes wrong, and what comes out when nothing does."""

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llm_router.config import document
from llm_router.config.environment import Override, from_flag
from llm_router.config.load import decode, load, locate
from llm_router.config.problems import ConfigError, ConfigMissing
from llm_router.config.schema import Settings

MINIMAL = "config_version: 3\n"


def loaded(tmp_path, text, environ=None, flags=()):
    path = tmp_path / "router.yaml"
    path.write_text(text)
    return load(path, environ=environ or {}, flags=flags)


def told(tmp_path, text, environ=None, flags=()):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, environ, flags)
    assert caught.value.exit_code == 2
    assert caught.value.code == "config.invalid"
    assert caught.value.unharmed == "Nothing was written, and what runs keeps running"
    return caught.value.message.replace(f"{tmp_path}/", "")


def test_the_smallest_configuration(tmp_path):
    """With nothing but a version the sandbox answers, under the names that clients ask for."""
    settings = loaded(tmp_path, MINIMAL).settings

    assert list(settings.providers) == ["sandbox"]
    assert settings.providers["sandbox"].models == ("echo-1",)
    assert settings.models == dict.fromkeys(
        ("router-default", "router-cheap", "claude-*", "gpt-*"), ("sandbox/echo-1",)
    )
    assert (settings.profile, sorted(settings.profiles)) == ("balanced", ["balanced", "cost", "reliability"])
    assert (settings.gateway.host, settings.gateway.port, settings.litellm.port) == ("127.0.0.1", 8317, 4000)
    assert settings.gateway.client_keys == ("file:keys/local.key",)
    assert settings.gateway.max_body_bytes == 32 * 1024 * 1024


def test_providers_of_ones_own_replace_the_sandbox(tmp_path):
    """What ships stands in only for what is not configured."""
    settings = loaded(
        tmp_path, MINIMAL + "providers:\n  local: {kind: openai, base_url: 'http://127.0.0.1:1/v1/'}\n"
    ).settings

    assert list(settings.providers) == ["local"]
    assert settings.providers["local"].base_url == "http://127.0.0.1:1/v1"
    assert settings.models == {}


def test_a_profile_is_laid_over_the_one_that_ships(tmp_path):
    """What is not said keeps the value that ships; fallbacks are replaced as a whole."""
    text = (
        MINIMAL
        + "profiles:\n  cost: {retries: 7}\n  balanced:\n  reliability: {fallbacks: {router-cheap: router-default}}\n"
    )
    profiles = loaded(tmp_path, text).settings.profiles

    assert (profiles["cost"].retries, profiles["cost"].cooldown) == (7, 10)
    assert profiles["cost"].fallbacks == {"router-cheap": "router-default"}
    assert profiles["balanced"].retries == 2
    assert profiles["reliability"].fallbacks == {"router-cheap": "router-default"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gateway: {}\n", "router.yaml: config_version: is missing; write `config_version: 3` at the top"),
        ("config_version: 4\n", "router.yaml:1: config_version: must be 3"),
        ("config_version: '3'\n", "router.yaml:1: config_version: must be 3"),
        (MINIMAL + "gatway:\n  port: 1\n", "router.yaml:2: gatway: there is no such key; did you mean `gateway`?"),
        (
            MINIMAL + "gateway:\n  prot: 1\n",
            "router.yaml:3: gateway.prot: there is no such key; did you mean `port`?",
        ),
        (
            MINIMAL + "gateway:\n  timeouts:\n    zzz: 1\n",
            "router.yaml:4: gateway.timeouts.zzz: there is no such key; "
            "known here: connect, first_byte, idle, translator",
        ),
        (
            MINIMAL + "providers:\n  a:\n    kind: sandbox\n    wire: [chat]\n",
            "router.yaml:5: providers.a.wire: there is no such key; did you mean `wires`?",
        ),
        (
            MINIMAL + "profiles:\n  mine:\n    retrys: 1\n",
            "router.yaml:4: profiles.mine.retrys: there is no such key; did you mean `retries`?",
        ),
        (MINIMAL + "gateway:\n  port: '8317'\n", "router.yaml:3: gateway.port: must be a whole number"),
        (MINIMAL + "gateway:\n  port: 8317.5\n", "router.yaml:3: gateway.port: must be a whole number"),
        (MINIMAL + "gateway:\n  port: true\n", "router.yaml:3: gateway.port: must be a whole number"),
        (MINIMAL + "gateway:\n  port: 0\n", "router.yaml:3: gateway.port: must be greater than or equal to 1"),
        (MINIMAL + "gateway:\n  port: 70000\n", "router.yaml:3: gateway.port: must be less than or equal to 65535"),
        (MINIMAL + "gateway: []\n", "router.yaml:2: gateway: must be a mapping"),
        (MINIMAL + "gateway:\n", "router.yaml:2: gateway: must be a mapping"),
        (MINIMAL + "models:\n", "router.yaml:2: models: must be a mapping"),
        (MINIMAL + "litellm:\n  enabled: 'yes'\n", "router.yaml:3: litellm.enabled: must be true or false"),
        (
            MINIMAL + "profile: 3\n",
            "router.yaml:2: profile: must be text; put it in quotes if it looks like something else",
        ),
        (
            MINIMAL + "gateway:\n  timeouts: {idle: .inf}\n",
            "router.yaml:3: gateway.timeouts.idle: must be a finite number",
        ),
        (
            MINIMAL + "gateway:\n  max_body_bytes: 32 parsecs\n",
            "router.yaml:3: gateway.max_body_bytes: must be a number of bytes, or a size such as `32MiB`",
        ),
        (
            MINIMAL + "gateway:\n  allowed_origins: ['*']\n",
            "router.yaml:3: gateway.allowed_origins[0]: "
            "must be an origin such as `http://localhost:3000`, without a path",
        ),
        (
            MINIMAL + "gateway:\n  host: http://a\n",
            "router.yaml:3: gateway.host: must be a host name or an address, without a scheme or a port",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: gemini}\n",
            "router.yaml:3: providers.a.kind: must be 'sandbox', 'openai' or 'anthropic'",
        ),
        (
            MINIMAL + "providers:\n  a.b: {kind: sandbox}\n",
            "router.yaml:3: providers.a.b: a name is made of a-z, 0-9, `-` and `_`, at most 64 of them",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: openai, base_url: 'ftp://x'}\n",
            "router.yaml:3: providers.a.base_url: must be an address such as `https://api.example.com/v1`",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: openai, base_url: 'https://u:canary@x/v1'}\n",
            "router.yaml:3: providers.a.base_url: an address holds no user name or password; name the key under `key`",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: openai, base_url: 'https://x/v1?key=canary'}\n",
            "router.yaml:3: providers.a.base_url: an address has no query and no fragment",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: openai, wires: [chat, chta]}\n",
            "router.yaml:3: providers.a.wires[1]: must be 'chat', 'responses', 'messages' or 'embeddings'",
        ),
        (
            MINIMAL + "providers:\n  a: {kind: openai, headers: {Host: x}}\n",
            "router.yaml:3: providers.a.headers.Host: the gateway sets this header itself",
        ),
        (
            MINIMAL + "'[key]': 1\n",
            "router.yaml:2: [key]: there is no such key; known here: config_version, gateway, litellm, services, "
            "providers, models, profiles, profile, prices, ledger, state, state_password, state_prefix",
        ),
        (
            MINIMAL + "models:\n  a b: sandbox/x\n",
            "router.yaml:3: models.a b: a model's name is 1 to 200 characters without white space",
        ),
        (
            MINIMAL + "models:\n  a: echo-1\n",
            "router.yaml:3: models.a[0]: must be `provider/model`, for example `sandbox/echo-1`",
        ),
        (
            MINIMAL + "models:\n  a: sandbox/gpt-*\n",
            "router.yaml:3: models.a[0]: `*` stands alone: `provider/*` passes on the name that was asked for",
        ),
        (
            MINIMAL + 'services:\n  a: {command: ["x\\0"]}\n',
            "router.yaml:3: services.a.command[0]: holds a null character",
        ),
        (MINIMAL + "models:\n  a: []\n", "router.yaml:3: models.a: must not be empty"),
        (
            MINIMAL + "services:\n  a: {command: ls}\n",
            "router.yaml:3: services.a.command: must be a list",
        ),
        (MINIMAL + "services:\n  a: {port: 1}\n", "router.yaml:3: services.a.command: is missing"),
        (
            MINIMAL + "litellm:\n  base:\n    model_list:\n      - {model_name: a}\n",
            "router.yaml:5: litellm.base.model_list[0].litellm_params: is missing",
        ),
    ],
)
def test_golden_errors(tmp_path, text, message):
    """File, line, path, and what is wrong in plain words."""
    assert message == told(tmp_path, text)


def test_all_problems_at_once(tmp_path):
    """Everything that is wrong is told in one go, in the order of the file."""
    text = "config_version: 3\ngateway:\n  port: x\n  hots: y\nlitellm:\n  enabled: 3\n"

    assert told(tmp_path, text) == (
        "3 problems in the configuration\n"
        "  router.yaml:3: gateway.port: must be a whole number\n"
        "  router.yaml:4: gateway.hots: there is no such key; did you mean `host`?\n"
        "  router.yaml:6: litellm.enabled: must be true or false"
    )


def test_problems_as_json(tmp_path):
    """`--json` has each problem as an object of its own."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, MINIMAL + "gateway: {prot: 1}\n")

    assert caught.value.as_json()["problems"] == [
        {
            "place": str(tmp_path / "router.yaml"),
            "line": 2,
            "path": "gateway.prot",
            "message": "there is no such key; did you mean `port`?",
            "hint": "",
        }
    ]


def test_missing(tmp_path):
    """Without a configuration the hint is bootstrap."""
    with pytest.raises(ConfigMissing) as caught:
        load(tmp_path / "router.yaml", environ={})

    assert (caught.value.code, caught.value.exit_code) == ("config.missing", 2)
    assert caught.value.message == f"There is no configuration at `{tmp_path / 'router.yaml'}`"
    assert caught.value.hints[0] == "Run `router bootstrap` to have one written"


def test_environment_overrides_the_file(tmp_path):
    """Variables win over the file, flags over variables."""
    environ = {
        "ROUTER_GATEWAY_PORT": "9000",
        "ROUTER_LITELLM_ENABLED": "false",
        "ROUTER_PROFILE": "cost",
        "ROUTER_LITELLM_PORT": "",
    }
    found = loaded(tmp_path, MINIMAL + "gateway: {port: 1}\n", environ, [from_flag("gateway.port=9001")])

    assert found.settings.gateway.port == 9001
    assert found.settings.litellm.enabled is False
    assert found.settings.litellm.port == 4000
    assert found.settings.profile == "cost"
    assert found.overrides[-1] == Override(("gateway", "port"), 9001, "flag", "--set gateway.port")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ROUTER_GATEWAY_PORT": "many"}, "ROUTER_GATEWAY_PORT: gateway.port: must be a whole number"),
        ({"ROUTER_LITELLM_ENABLED": "maybe"}, "ROUTER_LITELLM_ENABLED: litellm.enabled: must be true or false"),
        ({"ROUTER_PROFILE": "cots"}, "ROUTER_PROFILE: profile: there is no profile `cots`; did you mean `cost`?"),
        ({"ROUTER_LITELLM_PORT": "8317"}, "ROUTER_LITELLM_PORT: litellm.port: port 8317 is taken by `gateway.port`"),
    ],
)
def test_environment_is_blamed_by_name(tmp_path, environ, message):
    """A bad variable is named instead of the file."""
    assert message == told(tmp_path, MINIMAL, environ)


def test_override_does_not_hide_a_broken_part(tmp_path):
    """A part that is no mapping stays an error."""
    assert told(tmp_path, MINIMAL + "gateway: 7\n", {"ROUTER_GATEWAY_PORT": "9000"}) == (
        "router.yaml:2: gateway: must be a mapping"
    )


def test_older_file_is_found_where_it_used_to_be(tmp_path):
    """Without a router.yaml an older routertool.yaml beside it, or in config/ beside the home, is read."""
    home = tmp_path / ".router"
    home.mkdir()
    (tmp_path / "config").mkdir()
    assert locate(home / "router.yaml") is None
    (tmp_path / "config" / "routertool.yaml").touch()
    assert locate(home / "router.yaml") == tmp_path / "config" / "routertool.yaml"
    (home / "routertool.yaml").touch()
    assert locate(home / "router.yaml") == home / "routertool.yaml"
    (home / "router.yaml").touch()
    assert locate(home / "router.yaml") == home / "router.yaml"
    assert locate(home / "other.yaml") is None


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(string.printable, max_size=12)
    | st.sampled_from(["sandbox/echo-1", "sandbox", "chat", "env:A", "http://127.0.0.1/v1", "balanced", "32MiB"])
)
_keys = st.sampled_from(
    [
        *Settings.model_fields,
        "port",
        "host",
        "kind",
        "wires",
        "key",
        "base",
        "model_list",
        "command",
        "retries",
        "fallbacks",
        "headers",
        "depends_on",
        "sandbox",
        "a",
        "timeouts",
        "paths",
        "litellm_base",
        "litellm_settings",
    ]
) | st.text(string.printable, max_size=6)
_trees = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(_keys, _trees, max_size=6), st.sampled_from([None, 1, 2, 3, 3, 3, 3]))
def test_any_mapping_loads_or_is_refused(tmp_path_factory, value, version):
    """Whatever stands in a file, the answer is settings or a ConfigError that names it."""
    if version is not None:
        value["config_version"] = version
    text = yaml.safe_dump(value, allow_unicode=True)
    path = tmp_path_factory.getbasetemp() / "router.yaml"
    try:
        found = decode(document.decode(text, "f.yaml"), path)
    except ConfigError as refused:
        problems = refused.problems
    else:
        assert found.settings.profile in found.settings.profiles
        return
    assert problems
    assert {problem.place for problem in problems} == {"f.yaml"}
