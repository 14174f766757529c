"""A client's request as LiteLLM may see it: nothing in it gives LiteLLM an order. Decisions on values.

LiteLLM takes orders from three places of a request. From its body, among the members that belong to the request. From
its query, which it adds to the body. And from its headers, of which the content type makes it read the same bytes as a
form, with other members than the router has read. On the direct lane none of this is touched.
"""

import json
from collections.abc import Mapping
from typing import Any

from llm_router.gateway import headers as filters
from llm_router.translator.reserved import is_reserved

_NOT_FOR_LITELLM = frozenset(
    {"content-encoding", "content-type", "ocp-apim-subscription-key", "baggage", "x-http-method-override"}
)
_NOT_FOR_LITELLM_PREFIXES = ("litellm", "langfuse", "llm_provider", "mcp-", "x-mcp-", "x-pass-")
_QUERY = frozenset({"beta=true"})  # the one that clients of ours send, and LiteLLM has no use for


def headers_for_translator(client: Mapping[str, str]) -> list[tuple[str, str]]:
    """A client's headers as they may go to LiteLLM. The body has been read as JSON, and can be nothing else."""
    kept = [
        (name, value)
        for name, value in filters.for_upstream(client)
        if name not in _NOT_FOR_LITELLM and not name.startswith(_NOT_FOR_LITELLM_PREFIXES)
    ]
    return [*kept, ("content-type", "application/json")]


def query_for_translator(query: str) -> str:
    """The query as it may go to LiteLLM, which takes each part of it for a member of the body."""
    return query if query in _QUERY else ""


def body_for_translator(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The body without members that LiteLLM would obey, and their names; the same object when it has none.

    `metadata` keeps who the user is and nothing else: it is LiteLLM's second place for orders.
    """
    held: dict[str, Any] = json.loads(body)
    dropped = [name for name in held if is_reserved(name)]
    metadata = held.get("metadata")
    if metadata is not None and (shown := _user_of(metadata)) != metadata:
        dropped.append("metadata")
        held["metadata"] = shown
    if not dropped:
        return body, ()
    kept = {name: value for name, value in held.items() if name == "metadata" or not is_reserved(name)}
    if "metadata" in dropped and not kept["metadata"]:
        del kept["metadata"]
    # Escapes stay escapes: half a surrogate pair can stand in JSON, but not in UTF-8.
    return json.dumps(kept).encode(), tuple(dropped)


def _user_of(metadata: object) -> dict[str, str]:
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return {"user_id": user} if isinstance(user, str) else {}
