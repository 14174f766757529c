"""What a client writes for LiteLLM's eyes never reaches LiteLLM, and reaches an upstream of the client's own format."""

import json

import pytest
from support.rawhttp import Headers, answer, ask, scripted_upstream
from support.stage import CLIENT_KEY, Stage, upstream

from llm_router.routing.plan import Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
ORDERS = {
    "api_base": "http://evil.example",
    "api_key": "k",
    "fallbacks": ["other.messages/dear"],
    "mock_response": "free",
    "custom_llm_provider": "gemini",
    "extra_headers": {"x-llm-router-trace": "another's"},
    "timeout": 0.001,
    "input_cost_per_token": -1,
}


def translating(stage: Stage, port: int, litellm_port: int) -> None:
    held = {
        "generation": 1,
        "base_url": f"http://127.0.0.1:{litellm_port}",
        "api_key": "master-1",
        "door_key": "door-1",
    }
    stage.configure({"up": upstream("up", f"http://127.0.0.1:{port}", Wire.CHAT)}, translator=held)


async def test_orders_stay_here(stage: Stage):
    """The translator gets the request and nothing else; a vendor's own member is part of the request."""
    async with scripted_upstream(answer(200, b'{"id":"x"}')) as litellm:
        translating(stage, 9, litellm.port)
        body = json.dumps({"model": "m", "max_tokens": 3, "x_vendor": 1, **ORDERS}).encode()
        got = await stage.ask(Wire.MESSAGES, body)

    assert got.status == 200
    assert json.loads(litellm.received[0].body) == {"model": "up.chat/real-up", "max_tokens": 3, "x_vendor": 1}


async def test_on_the_direct_lane_they_are_the_upstream_s_affair(stage: Stage):
    """Unknown members are passed on untouched where LiteLLM does not see them."""
    async with scripted_upstream(answer(200, b'{"choices":[]}')) as up:
        stage.configure({"up": upstream("up", up.url)})
        body = json.dumps({"model": "m", **ORDERS}).encode()
        assert (await stage.ask(Wire.CHAT, body)).status == 200

    assert up.received[0].body == body.replace(b'"m"', b'"real-up"', 1)


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-type", "text/plain"), ("content-encoding", "gzip")],
        [],
    ],
)
async def test_the_same_bytes_as_a_form(stage: Stage, headers: Headers):
    """JSON that is also a form, in which another model stands: both lanes call it the JSON that was read."""
    body = json.dumps({"model": "m", "input": "hi", "a": "&model=other.messages/dear&input=escaped&b="}).encode()
    async with scripted_upstream(answer(200, b'{"id":"x"}')) as server:
        translating(stage, 9, server.port)
        path = "/v1/responses?model=other.messages/dear&fallbacks=x"
        assert (await ask(stage.port, "POST", path, body, [KEY, *headers])).status == 200
        stage.configure({"up": upstream("up", server.url)})
        assert (await ask(stage.port, "POST", "/v1/responses", body, [KEY, *headers])).status == 200

    translated, direct = server.received
    assert (translated.target, translated.header("content-type")) == ("/v1/responses", "application/json")
    assert direct.header("content-type") == ("application/json" if headers else None)
    assert (translated.header("content-encoding"), direct.header("content-encoding")) == (None, None)
