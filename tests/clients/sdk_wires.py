"""The three client wires as the newest SDKs speak them: one `ask` and one way to answer a tool call for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import anthropic
import openai

TOOL = "get_weather"
TOOL_TEXT = "Report the weather of one city"
TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city's name"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL_RESULT = "21 degrees and sunny"
PATIENCE = 90.0


@dataclass(slots=True)
class Turn:
    """One reply as the SDK understood it. `deltas` counts text or argument pieces of a stream, None for plain."""

    text: str
    calls: list[dict[str, Any]]
    stop: str
    tokens: tuple[int, int]
    deltas: int | None = None

    def shown(self) -> dict[str, Any]:
        """What goes into the printed line: everything but the calls' ids, which differ from run to run."""
        calls = [{"name": call["name"], "arguments": call["arguments"]} for call in self.calls]
        return {**asdict(self), "calls": calls}


class Client(Protocol):
    """One wire of one SDK."""

    def ask(self, history: list[Any], *, tools: bool, stream: bool) -> Turn:
        """Send the history and return the reply."""

    def answered(self, history: list[Any], turn: Turn, result: str) -> list[Any]:
        """The history with the tool's result after the call."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, with which key, for which model."""

    base_url: str
    key: str
    model: str

    def openai(self, **options: Any) -> openai.OpenAI:
        """The OpenAI SDK pointed here."""
        settings = {"base_url": f"{self.base_url}/v1", "api_key": self.key, "timeout": PATIENCE, "max_retries": 0}
        return openai.OpenAI(**{**settings, **options})

    def anthropic(self, **options: Any) -> anthropic.Anthropic:
        """The Anthropic SDK pointed here."""
        settings = {"base_url": self.base_url, "api_key": self.key, "timeout": PATIENCE, "max_retries": 0}
        return anthropic.Anthropic(**{**settings, **options})


@dataclass(slots=True)
class ChatClient:
    """`/v1/chat/completions` through the OpenAI SDK."""

    endpoint: Endpoint

    def ask(self, history: list[Any], *, tools: bool, stream: bool) -> Turn:
        """Send the history and return the reply."""
        wanted: dict[str, Any] = {"model": self.endpoint.model, "messages": history}
        if tools:
            wanted["tools"] = [
                {
                    "type": "function",
                    "function": {"name": TOOL, "description": TOOL_TEXT, "parameters": TOOL_SCHEMA, "strict": True},
                }
            ]
        deltas: int | None = None
        client = self.endpoint.openai()
        if stream:
            deltas = 0
            with client.chat.completions.stream(**wanted, stream_options={"include_usage": True}) as events:
                for event in events:
                    deltas += event.type in {"content.delta", "tool_calls.function.arguments.delta"}
                reply = events.get_final_completion()
        else:
            reply = client.chat.completions.create(**wanted)
        choice = reply.choices[0]
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in choice.message.tool_calls or []
        ]
        usage = reply.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Turn(choice.message.content or "", calls, str(choice.finish_reason), tokens, deltas)

    def answered(self, history: list[Any], turn: Turn, result: str) -> list[Any]:
        """The history with the tool's result after the call."""
        said = {"role": "assistant", "content": turn.text or None, "tool_calls": []}
        said["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
            }
            for call in turn.calls
        ]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in turn.calls]
        return [*history, said, *results]


@dataclass(slots=True)
class ResponsesClient:
    """`/v1/responses` through the OpenAI SDK."""

    endpoint: Endpoint

    def ask(self, history: list[Any], *, tools: bool, stream: bool) -> Turn:
        """Send the history and return the reply."""
        wanted: dict[str, Any] = {"model": self.endpoint.model, "input": history, "store": False}
        if tools:
            wanted["tools"] = [
                {
                    "type": "function",
                    "name": TOOL,
                    "description": TOOL_TEXT,
                    "parameters": TOOL_SCHEMA,
                    "strict": True,
                }
            ]
        deltas: int | None = None
        client = self.endpoint.openai()
        if stream:
            deltas = 0
            with client.responses.stream(**wanted) as events:
                for event in events:
                    deltas += event.type in {"response.output_text.delta", "response.function_call_arguments.delta"}
                reply = events.get_final_response()
        else:
            reply = client.responses.create(**wanted)
        calls = [
            {"id": item.call_id, "name": item.name, "arguments": json.loads(item.arguments)}
            for item in reply.output
            if item.type == "function_call"
        ]
        usage = reply.usage
        tokens = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
        return Turn(reply.output_text, calls, str(reply.status), tokens, deltas)

    def answered(self, history: list[Any], turn: Turn, result: str) -> list[Any]:
        """The history with the tool's result after the call."""
        said = [
            {
                "type": "function_call",
                "call_id": call["id"],
                "name": call["name"],
                "arguments": json.dumps(call["arguments"]),
            }
            for call in turn.calls
        ]
        results = [{"type": "function_call_output", "call_id": call["id"], "output": result} for call in turn.calls]
        return [*history, *said, *results]


@dataclass(slots=True)
class MessagesClient:
    """`/v1/messages` through the Anthropic SDK."""

    endpoint: Endpoint

    def ask(self, history: list[Any], *, tools: bool, stream: bool) -> Turn:
        """Send the history and return the reply."""
        wanted: dict[str, Any] = {"model": self.endpoint.model, "messages": history, "max_tokens": 1024}
        if tools:
            wanted["tools"] = [{"name": TOOL, "description": TOOL_TEXT, "input_schema": TOOL_SCHEMA}]
        deltas: int | None = None
        client = self.endpoint.anthropic()
        if stream:
            deltas = 0
            with client.messages.stream(**wanted) as events:
                for event in events:
                    deltas += event.type in {"text", "input_json"}
                reply = events.get_final_message()
        else:
            reply = client.messages.create(**wanted)
        text = "".join(block.text for block in reply.content if block.type == "text")
        calls = [
            {"id": block.id, "name": block.name, "arguments": block.input}
            for block in reply.content
            if block.type == "tool_use"
        ]
        tokens = (reply.usage.input_tokens, reply.usage.output_tokens)
        return Turn(text, calls, str(reply.stop_reason), tokens, deltas)

    def answered(self, history: list[Any], turn: Turn, result: str) -> list[Any]:
        """The history with the tool's result after the call."""
        said = [{"type": "text", "text": turn.text}] if turn.text else []
        said += [
            {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["arguments"]}
            for call in turn.calls
        ]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": result} for call in turn.calls]
        return [*history, {"role": "assistant", "content": said}, {"role": "user", "content": results}]


CLIENTS: dict[str, Callable[[Endpoint], Client]] = {
    "chat": ChatClient,
    "responses": ResponsesClient,
    "messages": MessagesClient,
}


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is asked: one prompt that is answered in text, one that makes the upstream call the tool."""

    text: str
    tool: str


def expect(held: bool, otherwise: str) -> None:
    """Raise AssertionError with a sentence of our own unless `held`."""
    if not held:
        raise AssertionError(otherwise)
