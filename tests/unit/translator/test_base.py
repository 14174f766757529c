"""`litellm.base`: what may stand in it."""

from collections.abc import Mapping

import pytest

from llm_router.errors import Exit
from llm_router.translator.base import BadBase, Base, check_base, named_variables

MODEL = {"model_name": "m", "litellm_params": {"model": "bedrock/x"}}


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ({"general_settings": {}}, "litellm.base.general_settings"),
        ({"environment_variables": {"A": "b"}}, "litellm.base.environment_variables"),
        ({"model_list": "x"}, "litellm.base.model_list"),
        ({"model_list": [MODEL, {"model_name": "n"}]}, "litellm.base.model_list[1]"),
        ({"model_list": [{**MODEL, "model_name": "acme.chat/x"}]}, "litellm.base.model_list[0].model_name"),
        (
            {"model_list": [{"model_name": "m", "litellm_params": {"model": "x/y", "api_key": "literal"}}]},
            "litellm.base.model_list[0].litellm_params.api_key",
        ),
        (
            {"model_list": [{"model_name": "m", "litellm_params": {"model": "x/y", "aws_secret_access_key": "l"}}]},
            "litellm.base.model_list[0].litellm_params.aws_secret_access_key",
        ),
        ({"litellm_settings": []}, "litellm.base.litellm_settings"),
        ({"litellm_settings": {"callbacks": ["langfuse"]}}, "litellm.base.litellm_settings.callbacks"),
        ({"litellm_settings": {"success_callback": ["x"]}}, "litellm.base.litellm_settings.success_callback"),
        ({"litellm_settings": {"cache": True}}, "litellm.base.litellm_settings.cache"),
        ({"router_settings": {"redis_url": "redis://h"}}, "litellm.base.router_settings.redis_url"),
        ({"router_settings": {"some": {"api_key": "literal"}}}, "litellm.base.router_settings.some.api_key"),
    ],
)
def test_refused_with_its_place(base: Mapping[str, object], path: str):
    """What would leak, collide or not be read is refused by name, before anything is written."""
    with pytest.raises(BadBase) as caught:
        check_base(base, reserved=("acme.chat",))

    assert (path, Exit.USAGE) == (caught.value.path, caught.value.exit_code)
    assert f"`{path}`" in caught.value.message
    assert "literal" not in caught.value.message or "holds a literal secret" in caught.value.message


def test_nothing_given():
    """An empty base is a base."""
    assert Base((), {}, {}) == check_base({"model_list": None})


def test_named_variables():
    """The variables that LiteLLM must be given are those that its models name, wherever they stand."""
    base = {
        "model_list": [
            {"model_name": "a", "litellm_params": {"model": "x/y", "api_key": "os.environ/B_KEY"}},
            {"model_name": "b", "litellm_params": {"model": "x/z", "deep": [{"token": "os.environ/A_TOKEN"}]}},
        ],
        "litellm_settings": {"other": "plain"},
    }

    assert named_variables(base) == ("A_TOKEN", "B_KEY")
