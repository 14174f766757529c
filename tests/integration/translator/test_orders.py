"""LiteLLM's own lists of what it takes from a request, asked of the installed one."""

import json
import subprocess
from pathlib import Path

from support.translator import prepared

from llm_router.translator.launch import interpreter
from llm_router.translator.reserved import is_reserved

# What LiteLLM counts among its own and is a member of one of the formats all the same.
OF_THE_FORMATS = frozenset({"metadata"})
ASK = """
import inspect, json, litellm
from litellm.proxy.auth.auth_utils import _BANNED_REQUEST_BODY_PARAMS, _FALLBACK_FIELDS
from litellm.types.router import GenericLiteLLMParams
from litellm.types.utils import all_litellm_params
names = {*all_litellm_params, *_BANNED_REQUEST_BODY_PARAMS, *_FALLBACK_FIELDS, *GenericLiteLLMParams.model_fields}
print(json.dumps(sorted(names)))
"""


def test_every_order_that_litellm_knows_is_known_here(tmp_path: Path):
    """A release of LiteLLM that obeys one more member of a request cannot come in unseen."""
    python = interpreter(prepared().translator_environment)
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "HOME": str(tmp_path)}
    done = subprocess.run(
        [str(python), "-I", "-c", ASK], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    names = json.loads(done.stdout.splitlines()[-1])

    assert len(names) > 300
    assert {name for name in names if not is_reserved(name)} <= OF_THE_FORMATS
