"""LiteLLM's environment, made once for the whole suite and given to each home that needs it by hard links."""

import os
import shutil
from pathlib import Path

from llm_router.home import Home
from llm_router.translator.environment import Installer

CHECKOUT = Path(__file__).parents[2]
SHARED = Home(CHECKOUT / ".tools" / "translator")


def prepared() -> Home:
    """The home that holds the suite's own environment; kept between runs, checked and mended at each use."""
    SHARED.create()
    Installer(SHARED, os.environ, lambda line: None).install()
    return SHARED


def give(home: Home) -> None:
    """Put LiteLLM's environment in place in `home` as `router bootstrap` would, in about a second."""
    home.create()
    if not home.translator_environment.exists():
        shutil.copytree(
            prepared().translator_environment, home.translator_environment, symlinks=True, copy_function=os.link
        )
