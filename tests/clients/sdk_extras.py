"""What the SDKs do beyond the grid. Each extra takes the endpoint and the prompts and returns what it saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
from anthropic import beta_tool
from pydantic import BaseModel
from sdk_wires import CLIENTS, PATIENCE, TOOL_RESULT, Endpoint, Prompts, expect


class Weather(BaseModel):
    """What the structured output cells ask for."""

    city: str


def parse_chat(endpoint: Endpoint, prompts: Prompts) -> Any:
    """`chat.completions.parse` with a pydantic model."""
    del prompts
    reply = endpoint.openai().chat.completions.parse(
        model=endpoint.model, messages=[{"role": "user", "content": "Name a city"}], response_format=Weather
    )
    return parsed_city(reply.choices[0].message.parsed)


def parse_responses(endpoint: Endpoint, prompts: Prompts) -> Any:
    """`responses.parse` with a pydantic model."""
    del prompts
    reply = endpoint.openai().responses.parse(model=endpoint.model, input="Name a city", text_format=Weather)
    return parsed_city(reply.output_parsed)


def parse_messages(endpoint: Endpoint, prompts: Prompts) -> Any:
    """`messages.parse` with a pydantic model."""
    del prompts
    reply = endpoint.anthropic().messages.parse(
        model=endpoint.model,
        max_tokens=512,
        messages=[{"role": "user", "content": "Name a city"}],
        output_format=Weather,
    )
    return parsed_city(reply.parsed_output)


def parsed_city(parsed: Weather | None) -> dict[str, str]:
    """The parsed model as JSON, or an AssertionError when the SDK parsed nothing."""
    expect(isinstance(parsed, Weather), f"nothing parsed: {parsed!r}")
    return parsed.model_dump() if parsed else {}


def count_tokens(endpoint: Endpoint, prompts: Prompts) -> Any:
    """`messages.count_tokens`."""
    reply = endpoint.anthropic().messages.count_tokens(
        model=endpoint.model, messages=[{"role": "user", "content": prompts.text}]
    )
    expect(reply.input_tokens > 0, f"no tokens counted: {reply!r}")
    return reply.input_tokens > 0


def tool_runner(endpoint: Endpoint, prompts: Prompts) -> Any:
    """The Anthropic SDK's own tool loop, with a Python function as the tool."""
    asked: list[str] = []

    @beta_tool
    def get_weather(city: str) -> str:
        """Report the weather of one city.

        Args:
            city: The city's name.
        """
        asked.append(city)
        return TOOL_RESULT

    runner = endpoint.anthropic().beta.messages.tool_runner(
        model=endpoint.model,
        max_tokens=512,
        tools=[get_weather],
        messages=[{"role": "user", "content": prompts.tool}],
        max_iterations=4,
    )
    last = runner.until_done()
    expect(len(asked) == 1, f"the tool ran {len(asked)} times")
    expect(last.stop_reason == "end_turn", f"stopped with {last.stop_reason}")
    return {"asked": len(asked), "stop": last.stop_reason}


def models_openai(endpoint: Endpoint, prompts: Prompts) -> Any:
    """The model list in OpenAI's shape."""
    del prompts
    return sorted(model.id for model in endpoint.openai().models.list())


def models_anthropic(endpoint: Endpoint, prompts: Prompts) -> Any:
    """The model list in Anthropic's shape."""
    del prompts
    return sorted(model.id for model in endpoint.anthropic().models.list())


def wrong_key(endpoint: Endpoint, prompts: Prompts) -> Any:
    """A wrong key is the SDK's AuthenticationError on all three wires, after one request each."""
    stranger = Endpoint(endpoint.base_url, "not-a-key-of-this-router", endpoint.model)
    return failures_of(stranger, prompts, (openai.AuthenticationError, anthropic.AuthenticationError))


def unknown_model(endpoint: Endpoint, prompts: Prompts) -> Any:
    """An unknown model is the SDK's NotFoundError on all three wires, after one request each."""
    stranger = Endpoint(endpoint.base_url, endpoint.key, f"no-such-model-{endpoint.model}")
    return failures_of(stranger, prompts, (openai.NotFoundError, anthropic.NotFoundError))


def failures_of(endpoint: Endpoint, prompts: Prompts, wanted: tuple[type[Exception], ...]) -> Any:
    """Ask over all three wires with retries on; returns status, code and number of requests of each."""
    return {wire: one_failure(endpoint, wire, prompts, wanted) for wire in CLIENTS}


def one_failure(endpoint: Endpoint, wire: str, prompts: Prompts, wanted: tuple[type[Exception], ...]) -> Any:
    """The failure of one wire; AssertionError when the request succeeds, other SDK errors pass."""
    sent: list[str] = []
    counting = httpx2.Client(event_hooks={"request": [lambda request: sent.append(str(request.url))]}, timeout=PATIENCE)
    retrying: dict[str, Any] = {"http_client": counting, "max_retries": 2}
    question: Any = [{"role": "user", "content": prompts.text}]
    try:
        if wire == "chat":
            endpoint.openai(**retrying).chat.completions.create(model=endpoint.model, messages=question)
        elif wire == "responses":
            endpoint.openai(**retrying).responses.create(model=endpoint.model, input=question)
        else:
            endpoint.anthropic(**retrying).messages.create(model=endpoint.model, messages=question, max_tokens=64)
    except wanted as error:
        body: Any = getattr(error, "body", None)
        detail = body.get("error", body) if isinstance(body, dict) else {}
        named = detail.get("code") or detail.get("type")
        return {"status": error.status_code, "named": named, "requests": len(sent)}
    raise AssertionError("the request succeeded")


EXTRAS: dict[str, Callable[[Endpoint, Prompts], Any]] = {
    extra.__name__: extra
    for extra in (
        parse_chat,
        parse_responses,
        parse_messages,
        count_tokens,
        tool_runner,
        models_openai,
        models_anthropic,
        wrong_key,
        unknown_model,
    )
}
