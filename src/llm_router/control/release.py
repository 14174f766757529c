"""Which release this is, found without reading package metadata: that costs more than starting a command."""

import os
import sys
from functools import cache

_PREFIX, _SUFFIX = "llm_router-", ".dist-info"


@cache
def release() -> str:
    """The version of the installed package, e.g. `0.1.0`."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - names are all that is wanted
        except OSError:
            continue
        for name in names:
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                return name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    from importlib.metadata import version

    return version("llm-router")
