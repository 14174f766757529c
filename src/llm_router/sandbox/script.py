"""What the sandbox says: one request in, one reply out, the same for every wire and every time.

The first of these that applies:

1. The user's text asks for a tool on offer, `use the tool NAME` or `call NAME {json}`: a call of it.
2. `tool_choice` demands a call and no tool has answered yet: a call of the tool it names, or of the first.
3. A schema is asked for: an instance of it, as JSON text.
4. Tools have answered: `the tool answered: …`.
5. Otherwise: `you said: …`.

Arguments are the JSON given in the text, or made from the tool's own schema.
"""

import json
import re
from dataclasses import dataclass

from llm_router.sandbox.conversation import Ask, Tool, count_words
from llm_router.sandbox.schemas import instance

_COMMAND = re.compile(r"\b(?:use the tool|call)\s+[`\"']?([A-Za-z0-9_][A-Za-z0-9_.:/-]*)[`\"']?\s*", re.IGNORECASE)
_WORDS = re.compile(r"\s*\S+(?:\s+$)?|\s+$")
_FRAGMENTS = 4
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. `arguments` is JSON text, or plain text for a tool that takes free text."""

    tool: Tool
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer: text or calls. `cut` says that the token limit of the request ended it early."""

    text: str
    calls: tuple[Call, ...]
    input_tokens: int
    output_tokens: int
    cut: bool = False

    def words(self) -> list[str]:
        """The text in the pieces it is streamed in."""
        return _WORDS.findall(self.text)


def answer(ask: Ask) -> Reply:
    """The reply to `ask`; the module's docstring has the rules."""
    texts, results = ask.last_turn()
    calls = _asked_for(ask, texts) or _forced(ask, results)
    if calls:
        spent = sum(1 + count_words(call.arguments) for call in calls)
        return Reply("", calls[:1] if ask.one_call else calls, ask.input_tokens(), spent)
    if ask.schema is not None:
        return _said(ask, json.dumps(instance(ask.schema), ensure_ascii=False), limited=False)
    if results:
        return _said(ask, "the tool answered: " + "\n".join(results))
    return _said(ask, f"you said: {texts[-1]}" if texts else "you said nothing")


def fragments(arguments: str) -> list[str]:
    """`arguments` in the pieces they are streamed in: about four, none of them empty."""
    size = max(1, -(-len(arguments) // _FRAGMENTS))
    return [arguments[start : start + size] for start in range(0, len(arguments), size)]


def _said(ask: Ask, text: str, *, limited: bool = True) -> Reply:
    reply = Reply(text, (), ask.input_tokens(), max(1, count_words(text)))
    if not limited or ask.limit is None or reply.output_tokens <= ask.limit:
        return reply
    return Reply("".join(reply.words()[: ask.limit]), (), reply.input_tokens, ask.limit, cut=True)


def _asked_for(ask: Ask, texts: list[str]) -> tuple[Call, ...]:
    if not ask.tools:
        return ()
    for text in reversed(texts):
        calls = [
            Call(tool, _arguments(tool, text[command.end() :]))
            for command in _COMMAND.finditer(text)
            if (tool := _find(ask.tools, command[1].rstrip(".:/-")))
        ]
        if calls:
            return _without_repeats(calls)
    return ()


def _forced(ask: Ask, results: list[str]) -> tuple[Call, ...]:
    # A call demanded again after the result has come would never end a conversation.
    if not ask.forced or not ask.tools or results:
        return ()
    tool = ask.tools[0] if ask.forced == "*" else _find(ask.tools, ask.forced)
    return (Call(tool, _arguments(tool, "")),) if tool else ()


def _find(tools: tuple[Tool, ...], name: str) -> Tool | None:
    by_name = {tool.name: tool for tool in reversed(tools)}
    by_name |= {f"{tool.namespace}.{tool.name}": tool for tool in tools if tool.namespace}
    if name in by_name:
        return by_name[name]
    # A translator flattens a namespace into the name: `agents.spawn` becomes `agents__spawn`.
    endings = tuple(mark + name for mark in ("__", ".", "-"))
    return next((tool for tool in tools if tool.name.endswith(endings)), None)


def _arguments(tool: Tool, after: str) -> str:
    given = _json_object(after)
    if not tool.free_text:
        return json.dumps(instance(tool.schema) if given is None else given, ensure_ascii=False)
    if given is None:
        return "sandbox input"
    return str(given["input"]) if "input" in given else json.dumps(given, ensure_ascii=False)


def _json_object(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        found, _ = _JSON.raw_decode(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _without_repeats(calls: list[Call]) -> tuple[Call, ...]:
    return tuple({(call.tool.name, call.arguments): call for call in calls}.values())
