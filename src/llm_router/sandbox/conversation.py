"""What a request asks for, whatever its wire: the last turn, the tools on offer, and what must come back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from llm_router.routing.plan import Wire

# Coding agents wrap their own notes in these; a person did not say them.
_NOTES = re.compile(r"<(system-reminder|environment_context|user_instructions)>.*?</\1>", re.DOTALL)
# LiteLLM turns a system message in mid-conversation into a user's text and starts it like this.
_OPERATOR = "Operator note (not from the user)"
_FAULT = re.compile(r"\[\[\s*fault\s*:\s*(.*?)\s*\]\]", re.DOTALL)
TOKENS_PER_TOOL = 20


class Speaker(StrEnum):
    """Who an entry of the conversation comes from."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of text in a conversation."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer. `free_text` tools take plain text instead of JSON arguments."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    free_text: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, read. `forced` is empty, a tool's name, or `*` for any tool; `limit` is in output tokens."""

    wire: Wire
    model: str
    digest: str  # of the body and the seed: every id in the answer is made from it
    entries: tuple[Entry, ...] = ()
    tools: tuple[Tool, ...] = ()
    forced: str = ""
    one_call: bool = False
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    limit: int | None = None

    def last_turn(self) -> tuple[list[str], list[str]]:
        """The user's texts and the tools' results since the assistant last spoke, each oldest first."""
        texts: list[str] = []
        results: list[str] = []
        for entry in reversed(self.entries):
            if entry.speaker is Speaker.ASSISTANT:
                break
            if entry.speaker is Speaker.RESULT:
                results.append(entry.text)
            elif entry.speaker is Speaker.USER and (said := _FAULT.sub("", _NOTES.sub("", entry.text)).strip()):
                texts.append(said)
        return texts[::-1], results[::-1]

    def fault(self) -> str:
        """The newest `[[fault: …]]` marker of the last turn, or an empty string."""
        for entry in reversed(self.entries):
            if entry.speaker is Speaker.ASSISTANT:
                break
            if entry.speaker is Speaker.USER and (found := _FAULT.findall(entry.text)):
                return str(found[-1])
        return ""

    def input_tokens(self) -> int:
        """Words in all texts of the conversation, and 20 for each tool; at least 1."""
        words = sum(count_words(entry.text) for entry in self.entries)
        return max(1, words + TOKENS_PER_TOOL * len(self.tools))


def count_words(text: str) -> int:
    """The sandbox's tokens: words between white space."""
    return len(text.split())


def entries_of(speaker: Speaker, content: object) -> Iterator[Entry]:
    """A message's content as entries, at least one: what a translator made of a system message is one again."""
    empty = True
    for text in texts_in(content):
        if speaker is Speaker.USER and text.startswith(_OPERATOR):
            speaker = Speaker.SYSTEM
        empty = False
        yield Entry(speaker, text)
    if empty:
        yield Entry(speaker, "")


def texts_in(content: object) -> Iterator[str]:
    """Every text in a message's content: a string, or blocks with a `text`; what is not text is passed over."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, str):
                yield block
            elif isinstance(block, dict) and isinstance(block.get("text"), str):
                yield block["text"]


def mapping(value: object) -> dict[str, Any]:
    """`value` when it is an object, else an empty one: unknown shapes are accepted, not judged."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[dict[str, Any]]:
    """The objects of a list; empty when `value` is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def whole_number(value: object) -> int | None:
    """`value` when it is a whole number above zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
