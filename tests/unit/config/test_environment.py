"""The table of variables: each leads to a setting that exists."""

import pytest

from llm_router.config.environment import VARIABLES, Override, from_environment, from_flag
from llm_router.config.known_keys import known_keys
from llm_router.errors import UnknownName, UsageError


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_each_variable_leads_somewhere(variable):
    """Its path is one of the schema's, and its name has the prefix of them all."""
    assert variable.path[-1] in known_keys(variable.path[:-1])
    assert variable.name.startswith("ROUTER_")
    assert variable.help


def test_values():
    """Numbers and booleans are read as such, the rest stays text, empty counts as unset."""
    environ = {"ROUTER_GATEWAY_HOST": "::1", "ROUTER_GATEWAY_PORT": "9000", "ROUTER_LITELLM_ENABLED": "false"}

    assert list(from_environment({**environ, "ROUTER_PROFILE": "", "OTHER": "x"})) == [
        Override(("gateway", "host"), "::1", "env", "ROUTER_GATEWAY_HOST"),
        Override(("gateway", "port"), 9000, "env", "ROUTER_GATEWAY_PORT"),
        Override(("litellm", "enabled"), False, "env", "ROUTER_LITELLM_ENABLED"),
    ]


@pytest.mark.parametrize("text", ["[", "a: b", "'", "*x", "1:99:99"])
def test_odd_values_stay_text(text):
    """What is no number and no boolean is text."""
    (override,) = from_environment({"ROUTER_PROFILE": text})

    assert isinstance(override.value, str | int)


def test_flags():
    """`--set` takes the settings that variables take."""
    assert from_flag("profile=cost") == Override(("profile",), "cost", "flag", "--set profile")
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        from_flag("profile")
    with pytest.raises(UnknownName, match=r"`--set` takes `gateway\.prot`; known: gateway\.port"):
        from_flag("gateway.prot=1")
