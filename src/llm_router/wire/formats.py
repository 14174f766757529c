"""The formats that clients and upstreams speak."""

from enum import StrEnum


class Wire(StrEnum):
    """A request and answer format that an upstream or a client speaks."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"
