"""The configuration that bootstrap writes: the commented example that ships in the package."""

from importlib.resources import files

from llm_router.config.load import locate
from llm_router.home import Home, write_private


def example() -> bytes:
    """The text of the commented router.yaml."""
    return files("llm_router.config").joinpath("router.example.yaml").read_bytes()


def write_default_config(home: Home) -> bool:
    """Write the example as the home's configuration unless there is one, of any version. Raises HomeError."""
    if locate(home.config) is not None or home.config.is_symlink():
        return False
    write_private(home.config, example())
    return True
