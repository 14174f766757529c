"""Planted keys are looked for everywhere after the newcomer's whole path, with upstreams that repeat what they see."""

import asyncio
import json
import os
import secrets
import signal
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
BAD_MODELS = ("refusing", "failing", "breaking")


def configuration(upstream: Indiscreet) -> dict[str, Any]:
    """One provider for each way to name a key, and one that shows its key in the other header."""
    chat = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream.port}/v1", "wires": ["chat"]}
    messages = {"kind": "anthropic", "base_url": f"http://127.0.0.1:{upstream.port}"}
    return {
        "providers": {
            "in-env": {**chat, "key": "env:CANARY_ENV_KEY"},
            "in-file": {**chat, "key": "file:keys/canary.key"},
            "in-ring": {**chat, "key": "keyring:canary/upstream"},
            "in-x-api-key": {**messages, "key": "env:CANARY_ENV_KEY"},
        },
        "models": {"router-default": ["in-env/good"], "router-cheap": ["in-file/good"]},
    }


def plant(product: Product) -> dict[str, str]:
    """Put a random key into each store; returns them by the store's name."""
    keys = {store: f"sk-{store}-{secrets.token_urlsafe(24)}" for store in STORES}
    product.environment = {
        "CANARY_ENV_KEY": keys["in-env"],
        "PYTHON_KEYRING_BACKEND": "llm_router.testing.keyring.HomeFileKeyring",
    }
    write(product.home / "keys" / "canary.key", keys["in-file"])
    write(product.person / ".test-keyring.json", json.dumps({"canary/upstream": keys["in-ring"]}))
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
        for model in BAD_MODELS:
            for lane in ("direct", "translated"):
                product.run("chat", "--model", f"{provider}/{model}", "--lane", lane, "hello", codes=(0, 1))


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


def hits_in_files(product: Product, hunt: Hunt, stores: Mapping[str, Path]) -> list[Hit]:
    """What stands in any file of the home and of the person's HOME but each secret's own store."""
    own = {(name, str(path.relative_to(product.folder))) for name, path in stores.items()}
    return [hit for hit in hunt.in_folder(product.folder) if (hit.secret, hit.place) not in own]


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

    stores = {
        "in-file": product.home / "keys" / "canary.key",
        "in-ring": product.person / ".test-keyring.json",
        "local key": product.home / "keys" / "local.key",
    }
    assert set(upstream.keys) == set(keys.values()), "a key never reached its upstream, so nothing was proven"
    assert hits == []
    assert hits_in_files(product, hunt, stores) == []
    assert [hit for number, text in enumerate(product.said) for hit in hunt.in_text(text, f"output {number}")] == []
    assert hunt.in_command_lines() == []
