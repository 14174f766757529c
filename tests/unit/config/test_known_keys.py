"""Which keys the schema knows where."""

import pytest

from llm_router.config.known_keys import known_keys


@pytest.mark.parametrize(
    ("path", "some"),
    [
        ((), {"gateway", "profile"}),
        (("gateway",), {"host", "timeouts"}),
        (("gateway", "timeouts"), {"idle"}),
        (("providers", "a"), {"kind", "wires"}),
        (("services", "a"), {"command"}),
        (("profiles", "a"), {"retries"}),
        (("profiles", "a", "litellm"), {"model_list"}),
        (("litellm", "base"), {"model_list"}),
        (("litellm", "base", "model_list", 0), {"model_name"}),
        (("litellm", "base", "model_list", 0, "litellm_params"), {"model"}),
    ],
)
def test_known(path, some):
    """Below names and indices as well."""
    assert some <= set(known_keys(path))


@pytest.mark.parametrize("path", [("providers",), ("models",), ("models", "a"), ("nowhere",), ("gateway", "port", "x")])
def test_names_of_ones_own(path):
    """Where names are free, or nothing is known, there is nothing to suggest."""
    assert known_keys(path) == ()
