"""Whether the beginning of a stream proves that an answer follows: output, an error in its place, or neither yet."""

import re
from enum import StrEnum

from llm_router.wire.formats import Wire

# Inside JSON text quotes are escaped, so none of these can stand in an answer's words.
_OUTPUT = {
    Wire.CHAT: re.compile(
        rb'"(?:content|reasoning_content|reasoning|refusal|text|finish_reason)"\s*:\s*"[^"]'
        rb'|"(?:tool_calls|reasoning_details)"\s*:\s*\[\s*\{|"function_call"\s*:\s*\{|^data:\s*\[DONE\]',
        re.MULTILINE,
    ),
    Wire.RESPONSES: re.compile(
        rb'"type"\s*:\s*"response\.(?:output_item\.|content_part\.|[a-z_.]*delta|completed|incomplete|cancelled)'
    ),
    Wire.MESSAGES: re.compile(
        rb'"type"\s*:\s*"(?:content_block_start|content_block_delta|message_delta|message_stop)"'
    ),
}
_ERROR = re.compile(rb'^event:\s*error|^data:\s*\{\s*"error"|"type"\s*:\s*"(?:error|response\.failed)"', re.MULTILINE)


class Proof(StrEnum):
    """What the bytes so far show."""

    PENDING = "pending"
    OUTPUT = "output"
    ERROR = "error"


def prove(wire: Wire, head: bytes) -> Proof:
    """What comes first in `head`, which holds whole events: output, or an error event."""
    pattern = _OUTPUT.get(wire)
    output = pattern.search(head) if pattern is not None else None
    error = _ERROR.search(head) if b"error" in head or b"failed" in head else None
    if error is not None and (output is None or error.start() < output.start()):
        return Proof.ERROR
    return Proof.PENDING if output is None else Proof.OUTPUT
