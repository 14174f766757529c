"""Planted keys are looked for everywhere after the newcomer's whole path, with upstreams that repeat what they see."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.hunt import Hit, Hunt, variables
from support.indiscreet import Indiscreet, indiscreet_upstream
from support.product import Product, free_ports

pytestmark = [pytest.mark.timeout(400)]

STORES = ("in-env", "in-file", "in-ring")
TALKATIVE = "import os, signal; print('my token is', os.environ['TOKEN'], flush=True); signal.pause()"
BAD_MODELS = ("refusing", "failing", "breaking")


def configuration(upstream: Indiscreet) -> dict[str, Any]:
    """One provider for each way to name a key, one that shows its key in the other header, and a service with a key."""
    chat = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream.port}/v1", "wires": ["chat"]}
    messages = {"kind": "anthropic", "base_url": f"http://127.0.0.1:{upstream.port}"}
    return {
        "providers": {
            "in-env": {**chat, "key": "env:CANARY_ENV_KEY"},
            "in-file": {**chat, "key": "file:keys/canary.key"},
            "in-ring": {**chat, "key": "keyring:canary/upstream"},
            "in-x-api-key": {**messages, "key": "env:CANARY_ENV_KEY"},
        },
        "services": {
            "talkative": {
                "command": [sys.executable, "-c", TALKATIVE],
                "environment": {"TOKEN": "keyring:canary/service"},
            }
        },
        "models": {"router-default": ["in-env/good"], "router-cheap": ["in-file/good"]},
    }


def plant(product: Product) -> dict[str, str]:
    """Put a random key into each store; returns them by the store's name. No pattern would know two of them as keys."""
    keys = {
        "in-env": f"sk-{secrets.token_urlsafe(32)}",
        "in-file": secrets.token_hex(24),
        "in-ring": secrets.token_urlsafe(32),
        "in-service": secrets.token_urlsafe(32),
    }
    product.environment = {
        "CANARY_ENV_KEY": keys["in-env"],
        "PYTHON_KEYRING_BACKEND": "llm_router.testing.keyring.HomeFileKeyring",
    }
    write(product.home / "keys" / "canary.key", keys["in-file"])
    ring = {"canary/upstream": keys["in-ring"], "canary/service": keys["in-service"]}
    write(product.person / ".test-keyring.json", json.dumps(ring))
    return keys


def write(path: Path, text: str) -> None:
    """A 0600 file."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def ask_everything(product: Product) -> None:
    """Good and bad answers from every provider, through both lanes."""
    for store in STORES:
        for lane in ("direct", "translated"):
            said = product.run("chat", "--model", f"{store}/good", "--lane", lane, "are you well?")
            assert "all is well" in said.stdout
    for provider in (*STORES, "in-x-api-key"):
        for model in BAD_MODELS if provider.endswith(("env", "x-api-key")) else BAD_MODELS[:1]:
            for lane in ("direct", "translated"):
                product.run("chat", "--model", f"{provider}/{model}", "--lane", lane, "hello", codes=(0, 1))
                if model == "breaking":
                    # The bytes of a stream arrive as the upstream sent them: what it says in one, it says to who asked.
                    product.said.pop()


def look_at_everything(product: Product) -> None:
    """Every reading command, a profile set, a gateway killed, and every unit restarted."""
    for arguments in (
        ("profile", "set", "cost"),
        ("status",),
        ("status", "--json"),
        ("health",),
        ("models",),
        ("client", "env"),
        ("config", "show"),
        ("profile", "show"),
        ("events", "--json"),
        ("service", "logs", "all"),
    ):
        product.run(*arguments, codes=(0, 1))
    os.kill(product.unit("gateway")["pid"], signal.SIGKILL)
    product.run("health", "--wait", "60", codes=(0, 1))
    product.run("service", "restart", "all")
    product.run("service", "logs", "all")


def translator_secrets(product: Product) -> dict[str, str]:
    """The keys that the running LiteLLM was given."""
    held = variables(product.unit("litellm")["pid"])
    return {name: held[name] for name in ("LITELLM_MASTER_KEY", "LLM_ROUTER_DOOR_KEY")}


def walk(product: Product, keys: Mapping[str, str]) -> tuple[Hunt, list[Hit]]:
    """The newcomer's path. Returns the hunt with every secret that came up, and what the living processes showed."""
    shown_once = product.run("bootstrap").stdout
    local_key = product.key
    assert local_key in shown_once
    product.said.clear()  # the one time that the local key is shown
    hunt = Hunt({**keys, "local key": local_key}, since=time.time())
    product.run("up")
    first = translator_secrets(product)
    ask_everything(product)
    look_at_everything(product)
    everything = Hunt({**hunt.secrets, **first, **{f"new {k}": v for k, v in translator_secrets(product).items()}})
    hits = everything.in_command_lines() + hunt.in_environment(product.unit("litellm")["pid"])
    return Hunt(everything.secrets, since=hunt.since), hits


async def test_no_planted_key_is_found_anywhere(tmp_path: Path):
    """Keys stand in their stores and nowhere else: not in ps, files, logs, events, output or LiteLLM's environment."""
    port, translator_port = free_ports(2)
    product = Product(tmp_path, port, translator_port)
    async with indiscreet_upstream() as upstream:
        product.configure(configuration(upstream))
        keys = plant(product)
        try:
            hunt, hits = await asyncio.to_thread(walk, product, keys)
        finally:
            await asyncio.to_thread(product.take_down)

    reached = {keys[store] for store in STORES}
    assert set(upstream.keys) == reached, "a key never reached its upstream, so nothing was proven"
    assert "my token is" in (product.home / "logs" / "talkative.log").read_text()
    assert hits == []
    # Exactly the stores: this also shows that the hunt finds what is there.
    assert {(hit.secret, hit.place) for hit in hunt.in_folder(product.folder)} == {
        ("in-file", ".router/keys/canary.key"),
        ("local key", ".router/keys/local.key"),
        ("in-ring", "person/.test-keyring.json"),
        ("in-service", "person/.test-keyring.json"),
    }
    assert [hit for command, text in product.said for hit in hunt.in_text(text, command)] == []
    assert hunt.in_command_lines() == []
