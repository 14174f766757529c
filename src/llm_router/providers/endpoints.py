"""Where an upstream of each kind serves each operation, and how it wants to be shown a key. Data."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from llm_router.wire.formats import Wire


class Operation(StrEnum):
    """What a client asks for, beside the wire it asks in."""

    GENERATE = "generate"
    COUNT_TOKENS = "count_tokens"


_OPENAI = MappingProxyType(
    {
        (Wire.CHAT, Operation.GENERATE): "/chat/completions",
        (Wire.RESPONSES, Operation.GENERATE): "/responses",
        (Wire.RESPONSES, Operation.COUNT_TOKENS): "/responses/input_tokens",
        (Wire.EMBEDDINGS, Operation.GENERATE): "/embeddings",
    }
)
_ANTHROPIC = MappingProxyType(
    {
        (Wire.MESSAGES, Operation.GENERATE): "/messages",
        (Wire.MESSAGES, Operation.COUNT_TOKENS): "/messages/count_tokens",
    }
)
_PATHS: Mapping[tuple[Wire, Operation], str] = MappingProxyType({**_OPENAI, **_ANTHROPIC})
ANTHROPIC_VERSION = "2023-06-01"


def client_path(wire: Wire, operation: Operation) -> str:
    """The path at which clients, and LiteLLM, serve an operation: `/v1/...`."""
    return "/v1" + _PATHS[wire, operation]


@lru_cache(maxsize=1024)
def upstream_url(kind: str, base_url: str, wire: Wire, operation: Operation) -> str:
    """The full address of one operation. An `openai` base URL holds its `/v1`, the others need not."""
    base = base_url.rstrip("/")
    if kind != "openai":
        base = base.removesuffix("/v1") + "/v1"
    return base + _PATHS[wire, operation]


def key_headers(kind: str, key: str) -> list[tuple[str, str]]:
    """The headers that carry an upstream's key."""
    if kind == "anthropic":
        return [("x-api-key", key)]
    return [("authorization", f"Bearer {key}")]
