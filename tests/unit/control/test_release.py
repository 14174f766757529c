"""Which release this is."""

from importlib.metadata import version

from llm_router.control.release import release


def test_it_is_what_the_package_says() -> None:
    """The short way and the official one agree."""
    assert release() == version("llm-router")
