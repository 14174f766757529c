"""Tokens stay fresh across processes: one refresh, no token spent twice, old or new and nothing between."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.hunt import processes
from support.polling import until

WORKER = """
import asyncio, json, os, sys
from pathlib import Path
from llm_router.accounts.keeper import Keeper
from llm_router.accounts.refresh import Refresher
from llm_router.accounts.store import AccountStore
from llm_router.home import Home
keeper = Keeper(Refresher(AccountStore(Home(Path(sys.argv[1])), os.environ)))
async def main():
    old = (await keeper.credential("codex-ada")).access
    print("ready", flush=True)
    sys.stdin.readline()
    found = await asyncio.gather(*(keeper.credential("codex-ada", refused=old) for _ in range(100)))
    fresh = {held.access.reveal() for held in found}
    print(json.dumps({"tokens": len(fresh), "new": old.reveal() not in fresh}), flush=True)
asyncio.run(main())
"""


@pytest.fixture
def signed_in(person):
    assert person.router("auth", "codex", "--yes").code == 0
    return person


def begin(person):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(person.router.home.root)],
        env={**os.environ, **person.vault.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_hundred_in_each_of_two_processes(signed_in, provider):
    """Two hundred requests are refused at one moment: one refresh is sent, all get the new token."""
    children = [begin(signed_in) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [json.loads(child.communicate(timeout=60)[0]) for child in children]

    assert said == [{"tokens": 1, "new": True}] * 2
    assert (provider.issued.refreshes, provider.issued.reuses) == (1, 0)
    assert provider.count("/oauth/token") == 2  # the sign-in, and one refresh
    assert signed_in.router("auth", "test").out == "codex-ada:ok\n"


def test_by_hand(signed_in, provider):
    """`router auth refresh` says until when; the event log has it; no token shows anywhere."""
    ran = signed_in.router("auth", "refresh", "codex-ada")

    assert ran.code == 0
    assert ran.out.startswith("codex-ada:refreshed access_expires_at=20")
    assert [line["result"] for line in signed_in.events("account_refresh")] == ["success"]
    assert signed_in.leaks(ran.out, ran.err, signed_in.router("auth", "status", "--json").out) == []


@pytest.mark.parametrize("fault", ["drop", "lost", "500", "garbage", "redirect"])
def test_failures(signed_in, provider, fault):
    """Exit 1, the token is not sent a second time by itself, and the account goes on working."""
    provider.faults["/oauth/token"] += [fault]
    before = provider.count("/oauth/token")
    ran = signed_in.router("auth", "refresh")

    assert ran.code == 1
    assert provider.count("/oauth/token") == before + 1
    assert provider.count("/elsewhere") == 0
    assert signed_in.router("auth", "test").out == "codex-ada:ok\n"
    assert provider.issued.reuses == 0
    assert "health=failing" in signed_in.router("auth", "status").out
    assert signed_in.leaks(ran.out, ran.err) == []


def test_signed_out_by_the_provider(signed_in, provider):
    """It is known as final, said in health, and not asked again."""
    provider.behaviour.refusal = "refresh_token_invalidated"
    first = signed_in.router("auth", "refresh")
    calls = provider.count("/oauth/token")
    second = signed_in.router("auth", "refresh")

    assert (first.code, second.code) == (1, 1)
    assert "is signed out: `refresh_token_invalidated`" in first.err
    assert "hint: Run `router auth codex --label ada` to sign in again" in second.err
    assert provider.count("/oauth/token") == calls
    assert "health=signed_out" in signed_in.router("auth", "status").out
    provider.behaviour.refusal = ""
    assert signed_in.router("auth", "codex", "--yes").out.endswith("account=codex-ada\n")
    assert "health=ok" in signed_in.router("auth", "status").out


@pytest.mark.parametrize("step", ["before", "after"])
def test_kill_9(signed_in, provider, step):
    """Killed while the provider has the token: the account is whole and works; the token is not spent twice."""
    before = signed_in.store().get("codex-ada")
    provider.faults["/oauth/token"] += ["pause"]
    calls = provider.count("/oauth/token")
    child = signed_in.router.begin("auth", "refresh")
    until(lambda: provider.count("/oauth/token") > calls, within=30)
    if step == "before":
        child.kill()
        child.communicate()
        provider.go_on.set()
        until(lambda: provider.issued.refreshes == 1, within=10)
    else:
        provider.go_on.set()
        until(lambda: provider.issued.refreshes == 1, within=10)
        child.kill()
        child.communicate()
    after = signed_in.store().get("codex-ada")

    assert after.tokens == before.tokens or after.tokens.refresh.reveal() in provider.issued.refresh
    assert signed_in.router("auth", "test").out == "codex-ada:ok\n"
    assert provider.issued.reuses == 0


def test_tokens_stay_where_they_came_from(signed_in, provider):
    """Another origin in the environment does not get the refresh token."""
    elsewhere = {"LLM_ROUTER_IDENTITY_OPENAI": "http://127.0.0.1:9"}
    ran = signed_in.router("auth", "refresh", more=elsewhere)

    assert ran.code == 0
    assert provider.issued.refreshes == 1
    for bad in ("http://auth.openai.com", "https://a:b@auth.openai.com", "auth.openai.com"):
        refused = signed_in.router("auth", "codex", "--yes", more={"LLM_ROUTER_IDENTITY_OPENAI": bad})
        assert refused.code == 2


def test_clock_skew(person, provider):
    """A provider whose clock is a day off gives tokens that are used as long as they live."""
    provider.behaviour.skew = -86_400
    provider.behaviour.access_lifetime = 3600
    assert person.router("auth", "codex", "--yes").code == 0
    assert person.router("auth", "copilot", "--yes").code == 0
    person.router("auth", "test")

    assert provider.issued.refreshes == 1  # Copilot's first exchange


def test_argv_never_holds_a_token(signed_in, provider):
    """While a refresh runs, no process of this machine shows a token in its command line."""
    provider.faults["/oauth/token"] += ["pause"]
    calls = provider.count("/oauth/token")
    child = signed_in.router.begin("auth", "refresh")
    until(lambda: provider.count("/oauth/token") > calls, within=30)
    shown = b"\n".join(content for _, content in processes("cmdline"))
    own = Path(f"/proc/{child.pid}/environ").read_bytes()
    provider.go_on.set()
    child.communicate(timeout=60)

    assert not [secret for secret in provider.issued.secrets if secret.encode() in shown + own]


def test_logout(signed_in, provider):
    """Revoked at the provider and gone here; what cannot be read can still be removed."""
    token = signed_in.store().get("codex-ada").tokens.refresh.reveal()
    ran = signed_in.router("auth", "logout", "codex-ada")

    assert (ran.code, ran.err) == (0, "Removed `codex-ada`\n")
    assert token not in provider.issued.refresh
    assert signed_in.names() == []
    assert signed_in.router("auth", "logout", "codex-ada").code == 2
    broken = signed_in.router.home.sealed / "accounts" / "codex-x.sealed"
    broken.write_bytes(b"garbage")
    assert "unreadable" in signed_in.router("auth", "list").out
    assert signed_in.router("auth", "logout", "codex-x").code == 0
