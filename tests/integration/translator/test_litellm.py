"""The real LiteLLM with our generated configuration: what it reads of it, and where it sends what."""

import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml
from support.polling import until
from support.product import free_ports
from support.translator import give

from llm_router.home import Home, write_private
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Upstream, Wire
from llm_router.translator.config import render
from llm_router.translator.launch import READINESS_PATH, interpreter, launch_spec

MASTER, DOOR = "sk-master-of-this-test", "sk-door-of-this-test"
UPSTREAM_PATHS = {"c": "/v1/chat/completions", "r": "/v1/responses", "m": "/v1/messages"}
# Names that LiteLLM's price list knows as something else than what the upstream speaks.
MODELS = ("known", "gpt-5.4", "gpt-5-codex", "o3", "claude-opus-4-5", "gemini-2.5-pro", "org/deep:model-1.2")
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
MESSAGES = [{"role": "user", "content": "hi"}]


def replies(model: str) -> dict[str, dict[str, Any]]:
    """A whole answer of each upstream format that names the model asked for."""
    return {
        "c": {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": f"I am {model}"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        },
        "r": {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": model,
            "output": [
                {
                    "type": "message",
                    "id": "m1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": f"I am {model}", "annotations": []}],
                }
            ],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        },
        "m": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": f"I am {model}"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    }


@dataclass(slots=True)
class Gateway:
    """What stands in for the gateway: it answers only at the right place, and keeps what was sent there."""

    port: int
    sent: list[tuple[str, str, str]] = field(default_factory=list)  # (path, model, key)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def serve(self) -> ThreadingHTTPServer:
        """A server with this as its memory."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                del arguments

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                path = self.path.partition("?")[0]
                key = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
                upstream = path.removeprefix("/upstream/")[:1]
                if path.endswith(UPSTREAM_PATHS[upstream]):
                    gateway.sent.append((path, body["model"], key))
                    gateway.bodies.append(body)
                    self.answer(200, replies(body["model"])[upstream])
                elif path.endswith("/count_tokens"):
                    self.answer(200, {"input_tokens": 7})
                else:
                    self.answer(404, {"error": {"message": f"nothing is served at {path}"}})

            def do_GET(self) -> None:
                self.answer(404, {})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        return ThreadingHTTPServer(("127.0.0.1", self.port), Handler)


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """A running LiteLLM and what stands behind it."""

    url: str
    gateway: Gateway
    home: Home

    def ask(self, path: str, body: dict[str, Any], key: str = MASTER) -> tuple[int, str]:
        """POST a body; the status and the text of the answer."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def plan(port: int) -> Plan:
    upstreams = [
        Upstream("c", "openai", "https://c.example", (Wire.CHAT,), models=("claude-opus-4-5",)),
        Upstream("r", "openai", "https://r.example", (Wire.RESPONSES,), models=("claude-opus-4-5",)),
        Upstream("m", "anthropic", "https://m.example", (Wire.MESSAGES,)),
    ]
    return Plan(
        profile="balanced",
        gateway=GatewaySettings(port=port),
        translator=TranslatorSettings(),
        upstreams={upstream.name: upstream for upstream in upstreams},
        models=(Model("any", (Candidate("c", "known"), Candidate("r", "known"), Candidate("m", "known"))),),
    )


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteLLM]:
    """LiteLLM as the supervisor starts it."""
    home = Home(tmp_path_factory.mktemp("litellm") / ".router")
    give(home)
    gateway_port, port = free_ports(2)
    gateway = Gateway(gateway_port)
    write_private(home.translator_config, render(plan(gateway_port), {}))
    spec = launch_spec(home, port=port, master_key=MASTER, door_key=DOOR, extra_environment={})
    log = home.log("litellm")
    with gateway.serve() as server, log.open("wb") as output:
        serving = threading.Thread(target=server.serve_forever, name="gateway")
        serving.start()
        process = subprocess.Popen(
            spec.command, cwd=spec.cwd, env=dict(spec.environment), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: is_ready(url + READINESS_PATH) or process.poll() is not None, within=60)
            assert process.poll() is None, log.read_text()
            yield LiteLLM(url, gateway, home)
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
            serving.join()


ASKED = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 50}),
    "chat with tools": (
        "/v1/chat/completions",
        {"messages": MESSAGES, "tools": [CHAT_TOOL], "reasoning_effort": "high"},
    ),
    "responses": ("/v1/responses", {"input": "hi"}),
    "responses with tools": (
        "/v1/responses",
        {
            "input": "hi",
            "reasoning": {"effort": "high", "summary": "auto"},
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}],
        },
    ),
    "messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 50, "thread": {"type": "create"}}),
    "messages with thinking": (
        "/v1/messages",
        {"messages": MESSAGES, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    "messages with tools": (
        "/v1/messages",
        {
            "messages": MESSAGES,
            "max_tokens": 4000,
            "thinking": {"type": "adaptive"},
            "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        },
    ),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("upstream", "wire"), [("c", "chat"), ("r", "responses"), ("m", "messages")])
def test_every_name_stays_on_its_wire(litellm: LiteLLM, upstream: str, wire: str, asked: str):
    """Whatever a model is called and whatever is asked, it arrives at the upstream's own wire under its own name."""
    path, body = ASKED[asked]
    route = f"{upstream}.{wire}"
    litellm.gateway.sent.clear()

    answers = [litellm.ask(path, {**body, "model": f"{route}/{model}"}) for model in MODELS]

    assert [(200, True)] * len(MODELS) == [
        (status, f"I am {model}" in text) for (status, text), model in zip(answers, MODELS, strict=True)
    ], [text for status, text in answers if status != 200]
    place = f"/upstream/{route}{UPSTREAM_PATHS[upstream]}"
    assert [(place, model, DOOR) for model in MODELS] == litellm.gateway.sent


def test_chat_upstream_gets_chat_parameters_only(litellm: LiteLLM):
    """Fields of other formats that a strict chat server refuses are not passed on to it."""
    litellm.gateway.bodies.clear()

    for path, body in ASKED.values():
        litellm.ask(path, {**body, "model": "c.chat/gpt-5.4"})

    known = {"model", "messages", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "reasoning_effort"}
    assert set() == {key for body in litellm.gateway.bodies for key in body} - known - {"stream", "stream_options"}


@pytest.mark.parametrize("route", ["c.chat", "r.responses", "m.messages"])
@pytest.mark.parametrize("model", ["known", "claude-opus-4-5"])
def test_count_tokens(litellm: LiteLLM, route: str, model: str):
    """Tokens are counted for every upstream: by it if it can, else by LiteLLM itself."""
    status, text = litellm.ask("/v1/messages/count_tokens", {"model": f"{route}/{model}", "messages": MESSAGES})

    assert (status, json.loads(text)["input_tokens"] > 0) == (200, True)


def test_an_upstream_error_cools_nothing_down(litellm: LiteLLM):
    """A failed call is reported at once and the next one is made."""
    body = {"messages": MESSAGES, "model": "c.chat/known"}

    refused = litellm.ask("/v1/embeddings", {"input": "x", "model": "c.chat/known"})[0]
    after = [litellm.ask("/v1/chat/completions", body)[0] for _ in range(3)]

    assert (refused, after) == (404, [200, 200, 200])


def test_no_secret_in_its_files(litellm: LiteLLM):
    """Neither of its keys stands in its configuration, its working folder or its log."""
    places = [litellm.home.translator_config, litellm.home.log("litellm"), *litellm.home.translator_folder.rglob("*")]

    texts = [place.read_text(errors="replace") for place in places if place.is_file()]
    assert [text for text in texts if MASTER in text or DOOR in text] == []


KEYS = """
import inspect, json, sys
import litellm
from litellm.proxy._types import ConfigGeneralSettings
from litellm.types.router import GenericLiteLLMParams

asked = json.loads(sys.argv[1])
main = inspect.getsource(__import__("litellm.main", fromlist=["main"]))
drop = inspect.getsource(__import__("litellm.utils", fromlist=["utils"]))
known = {
    "litellm_settings": set(vars(litellm)),
    "router_settings": set(inspect.signature(litellm.Router.__init__).parameters),
    "general_settings": set(ConfigGeneralSettings.model_fields),
    "litellm_params": {
        *GenericLiteLLMParams.model_fields,
        "model",
        *(name for name in ("_skip_responses_api_bridge",) if f'"{name}"' in main),
        *(name for name in ("additional_drop_params",) if name in drop),
    },
}
print(json.dumps({part: sorted(set(keys) - known[part]) for part, keys in asked.items()}))
"""


def test_every_key_that_we_write_exists(litellm: LiteLLM):
    """LiteLLM takes a misspelt key in silence, so each of ours is looked up in LiteLLM itself."""
    written = yaml.safe_load(litellm.home.translator_config.read_text())
    parameters = {key for model in written.pop("model_list") for key in model["litellm_params"]}
    asked = {**{part: sorted(keys) for part, keys in written.items()}, "litellm_params": sorted(parameters)}

    said = subprocess.run(
        [interpreter(litellm.home.translator_environment), "-I", "-c", KEYS, json.dumps(asked)],
        cwd=litellm.home.translator_folder,
        env={"PATH": os.environ["PATH"], "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert {part: [] for part in asked} == json.loads(said.splitlines()[-1])
