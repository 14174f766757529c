"""Which LiteLLM deployments become providers, and which stay LiteLLM's."""

import pytest

from llm_router.config.deployments import Deployments
from llm_router.config.document import Document
from llm_router.config.problems import ConfigError

AT = ("litellm_base", "model_list")


def entry(name, model="openai/x", **parameters):
    given = {"api_base": "https://api.example.com/v1", "api_key": "os.environ/K", **parameters}
    return {"model_name": name, "litellm_params": {"model": model, **given}}


def taken(*entries, services=None):
    deployments = Deployments(Document("f", {}), services or {})
    deployments.add(entries, AT)
    deployments.finish()
    return deployments


@pytest.mark.parametrize(
    ("given", "candidate", "key"),
    [
        (entry("a"), "api-example-com/x", "env:K"),
        (entry("a", "custom_openai/y"), "api-example-com/y", "env:K"),
        (entry("a", api_key="none"), "api-example-com/x", None),
        (entry("a", api_key=None), "api-example-com/x", "env:OPENAI_API_KEY"),
        (entry("a", api_key="file:keys/a.key"), "api-example-com/x", "file:keys/a.key"),
        (entry("gpt-*", "openai/gpt-*"), "api-example-com/*", "env:K"),
        (entry("*", "openai/*"), "api-example-com/*", "env:K"),
    ],
)
def test_becomes_a_provider(given, candidate, key):
    """OpenAI's format at an address of its own."""
    deployments = taken(given)
    (provider,) = deployments.providers.values()

    assert deployments.models == {given["model_name"]: [candidate]}
    assert provider.get("key") == key
    assert provider["wires"] == ["chat", "embeddings"]
    assert deployments.raw == []


@pytest.mark.parametrize(
    ("given", "candidate"),
    [
        (entry("a", "bedrock/x"), "litellm/a"),
        (entry("a", "openai/responses/x"), "litellm/a"),
        (entry("a", temperature=0), "litellm/a"),
        (entry("a", rpm=3), "litellm/a"),
        (entry("a", api_base="os.environ/BASE"), "litellm/a"),
        (entry("a", api_base="https://u:p@h/v1"), "litellm/a"),
        (entry("a", api_base="https://h/v1?x=1"), "litellm/a"),
        (entry("a", api_base="https://h:99999/v1"), "litellm/a"),
        (entry("openai/*", "openai/*"), "litellm/*"),
    ],
)
def test_stays_with_litellm(given, candidate):
    """Whatever means more than the format, an address and a key."""
    deployments = taken(given)

    assert deployments.models == {given["model_name"]: [candidate]}
    assert deployments.raw == [given]
    assert deployments.providers == {}


def test_names_and_sharing():
    """One provider for each address and key; upstreams of this machine are named after their service or port."""
    deployments = taken(
        entry("a"),
        entry("a", "openai/y"),
        entry("a", "openai/y"),
        entry("b", api_key="os.environ/OTHER"),
        entry("c", api_base="http://127.0.0.1:8317/v1/"),
        entry("d", api_base="http://localhost:9/v1"),
        services={8317: "cliproxyapi"},
    )

    assert list(deployments.providers) == ["api-example-com", "api-example-com-2", "cliproxyapi", "local-9"]
    assert deployments.models["a"] == ["api-example-com/x", "api-example-com/y"]
    assert deployments.local_ports == {8317, 9}
    assert deployments.notes == ["a model with several deployments now asks them in order, not at random"]


def test_literal_key():
    """The error has the path and not the key."""
    with pytest.raises(ConfigError) as caught:
        taken(entry("a", api_key="canary"))

    assert caught.value.problems[0].path == "litellm_base.model_list[0].litellm_params.api_key"
    assert "canary" not in str(caught.value.as_json())


@pytest.mark.parametrize(
    ("listed", "fallbacks", "models"),
    [
        (None, {}, {}),
        ([{"a": ["b"]}], {"a": "b"}, {}),
        ([{"a": "b"}, {"b": ["c"]}], {"a": "b", "b": "c"}, {}),
        ([{"a": ["b", "c"]}], {}, {"a": ["p/a", "p/b", "p/c"]}),
        ([{"a": ["b"]}, {"b": ["a"]}], {}, {"a": ["p/a", "p/b"], "b": ["p/b", "p/a"]}),
        ([{"*": ["c"]}], {"a": "c", "b": "c"}, {}),
        ([{"a": ["b"]}, {"*": ["c"]}], {"a": "b", "b": "c"}, {}),
        ([{"a": ["nowhere"]}, {"nowhere": ["a"]}, "odd", {"a": 7}], {}, {}),
    ],
)
def test_fallbacks(listed, fallbacks, models):
    """One fallback stays one; several, or mutual ones, become further candidates."""
    deployments = taken(*(entry(name, f"openai/{name}", api_base="http://p/v1") for name in "abc"))

    assert deployments.fallbacks(listed, {}) == (fallbacks, models)


def test_aliases():
    """`model_group_alias` is a further name."""
    deployments = taken(entry("a"))
    deployments.alias({"b": "a", "c": "nowhere"})

    assert deployments.models == {"a": ["api-example-com/x"], "b": ["api-example-com/x"]}


def test_a_profiles_own_list_keeps_what_models_still_name():
    """What only LiteLLM serves is listed in the profile as well, since lists are replaced as a whole."""
    deployments = taken(entry("a", "bedrock/a"), entry("b"))
    own = deployments.overlay([entry("b", "bedrock/b")], ("profiles", "model_list"))

    assert own.raw == [entry("b", "bedrock/b"), entry("a", "bedrock/a")]


def test_a_profiles_own_list():
    """It adds to the models; what it left out is said."""
    deployments = taken(entry("a"), entry("b"))
    own = deployments.overlay([entry("a", "bedrock/z")], ("profiles", "model_list"))

    assert (own.models, own.raw) == ({"a": ["litellm/a"]}, [entry("a", "bedrock/z")])
    assert deployments.overlay([entry("c", "openai/z")], ("profiles", "model_list")).raw == []
    assert deployments.notes[0] == "a profile's own model list left out `b`; profiles now add to `models`"
