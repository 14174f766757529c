"""Every example loads, compiles and renders; the one that bootstrap writes is the one that is shown."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llm_router.config.compile import compile_plan
from llm_router.config.default import example
from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode, load
from llm_router.config.problems import ConfigError
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


def places(value, path=()):
    """Every path in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in items:
        yield from places(held, (*path, key))


def broken(value, path, new):
    """The document with one value replaced."""
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = broken(value[path[0]], path[1:], new)
    return changed


DOCUMENTS = [yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.iterdir())]
ODD = [
    *(
        None,
        True,
        0,
        -1,
        10**30,
        1.5,
        float("nan"),
        "",
        " ",
        "a",
        "a/b",
        "*",
        "os.environ/A",
        "http://[",
        "\x00",
        "balanced",
    ),
    *([], [[]], [None], ["a"], {}, {"a": None}, {"": {}}, {"a": ["b"]}, {"model_name": "x"}, {"args": []}),
]


def somewhere(held):
    """A document and one path in it."""
    return st.tuples(st.just(held), st.sampled_from([*places(held)][1:]))


@given(st.sampled_from(DOCUMENTS).flatmap(somewhere), st.sampled_from(ODD))
def test_one_odd_value_never_breaks_the_loader(where, odd):
    """Whatever one value of an example is replaced with, it loads or is refused with a place."""
    held, path = where
    try:
        found = decode(decode_text(yaml.safe_dump(broken(held, path, odd), allow_unicode=True), "f"), EXAMPLES / "f")
    except ConfigError as refused:
        problems = refused.problems
    else:
        for profile in found.settings.profiles:
            assert compile_plan(found.settings, profile).profile == profile
        return
    assert all(problem.place == "f" and problem.message for problem in problems)
