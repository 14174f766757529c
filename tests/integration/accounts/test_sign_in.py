"""Signing in as a person does it, against a provider that does everything that providers do."""

import json
import re
import subprocess
import threading

import httpx
import pytest
from support.polling import until

from llm_router.testing.command import PROGRAM

DEVICE = {"codex": "/api/accounts/deviceauth/token", "copilot": "/login/oauth/access_token"}
ACCOUNT = {"codex": "codex-ada", "copilot": "copilot-ada"}
KINDS = sorted(DEVICE)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_terminal(person, kind):
    """Terms, a question, the address and code with a QR code, a countdown, and the account's name."""
    terminal = person.terminal("auth", kind)
    terminal.wait_for("Go on? [y/N]")
    terminal.type("y\n")

    assert terminal.end() == 0
    text = terminal.text
    assert "terms may not allow it" in text
    places = [text.index(word) for word in ("login_url=", "user_code=", "▄", "Waiting, 14:5", "oauth_status=success")]
    assert places == sorted(places)
    assert text.rstrip().endswith(f"account={ACCOUNT[kind]}")
    assert person.names() == [ACCOUNT[kind]]
    assert [(line["result"], line["provider"]) for line in person.events("oauth_login")] == [("success", kind)]
    assert person.leaks(text) == []


def test_terms_are_not_accepted(person, provider):
    """No answer is no; nothing is asked of the provider."""
    terminal = person.terminal("auth", "copilot")
    terminal.wait_for("Go on? [y/N]")
    terminal.type("\n")

    assert terminal.end() == 2
    assert person.router("auth", "codex").code == 2
    assert provider.calls == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("outcome", "status"), [("deny", "denied"), ("expire", "expired")])
def test_denied_and_expired(person, provider, kind, outcome, status):
    """Exit 1, the reason as a word on stdout, and nothing stored."""
    provider.behaviour.outcome = outcome
    ran = person.router("auth", kind, "--yes")

    assert (ran.code, ran.out.splitlines()[-1]) == (1, f"oauth_status={status}")
    assert person.names() == []
    assert [(line["result"], line["detail"]) for line in person.events("oauth_login")] == [
        (status, f"sign_in.{status}")
    ]


def test_slow_down(person, provider):
    """A wish for patience is granted."""
    provider.behaviour.slow_downs, provider.behaviour.pending = 1, 0

    assert person.router("auth", "copilot", "--yes").code == 0
    assert provider.count(DEVICE["copilot"]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_gone_for_a_while(person, provider, kind):
    """Between two polls the provider cannot be reached, then it drops connections; the sign-in goes on."""
    provider.behaviour.pending = 1
    child = subprocess.Popen(
        [*PROGRAM, "auth", kind, "--yes"],
        env=person.router.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: provider.count(DEVICE[kind]) == 1, within=30)
    provider.vanish()
    assert child.stderr is not None
    for line in child.stderr:
        if "The network failed (ConnectError); trying again" in line:
            break
    provider.faults[DEVICE[kind]] += ["drop", "500", "drop"]
    provider.listen()
    _, said = child.communicate(timeout=60)

    assert child.returncode == 0, said
    assert "The network failed (RemoteProtocolError); trying again" in said
    assert person.names() == [ACCOUNT[kind]]


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c(person, provider, kind):
    """Exit 130, nothing stored, and it is in the event log."""
    provider.behaviour.pending = 1000
    terminal = person.terminal("auth", kind, "--yes")
    terminal.wait_for("Waiting,")
    terminal.interrupt()

    assert terminal.end() == 130
    assert person.names() == []
    assert [line["result"] for line in person.events("oauth_login")] == ["cancelled"]


@pytest.mark.parametrize("fault", ["garbage", "empty", "redirect"])
@pytest.mark.parametrize("path", ["/api/accounts/deviceauth/usercode", DEVICE["codex"], "/oauth/token"])
def test_bad_answers(person, provider, path, fault):
    """Exit 1 with one sentence; a redirect is not followed, so nothing is sent elsewhere."""
    provider.faults[path] += [fault]
    ran = person.router("auth", "codex", "--yes")

    assert ran.code == 1
    assert person.names() == []
    assert "Traceback" not in ran.err
    assert provider.count("/elsewhere") == 0
    assert person.leaks(ran.out, ran.err) == []


def test_no_subscription(person, provider):
    """A GitHub account without Copilot is said to be one."""
    provider.behaviour.subscription = False
    ran = person.router("auth", "copilot", "--yes")

    assert (ran.code, person.names()) == (1, [])
    assert "`no_subscription`" in ran.err


def test_no_encryption(person, provider):
    """Without a place for tokens the sign-in does not begin."""
    ran = person.router("auth", "codex", "--yes", more={"LLM_ROUTER_MASTER_KEY": "", "DBUS_SESSION_BUS_ADDRESS": ""})

    assert ran.code == 1
    assert "so nothing can be encrypted" in ran.err
    assert provider.calls == []


@pytest.mark.parametrize(
    ("arguments", "name"), [(("codex", "--browser", "--yes"), "codex-ada"), (("chatgpt",), "chatgpt-ada")]
)
def test_in_the_browser(person, provider, arguments, name):
    """The page sends the browser back to this machine; what comes back is not in any log."""
    child = person.router.begin("auth", *arguments)
    assert child.stdout is not None
    url = child.stdout.readline().strip().removeprefix("login_url=")
    back = re.search(r"redirect_uri=http%3A%2F%2F(?:localhost|127.0.0.1)%3A(\d+)", url)
    assert back is not None
    forged = httpx.get(f"http://127.0.0.1:{back[1]}/auth/callback?state=forged&code=evil", trust_env=False)
    page = httpx.get(url, follow_redirects=True, trust_env=False)
    out, err = child.communicate(timeout=60)

    assert (child.returncode, out) == (0, f"oauth_status=success\naccount={name}\n"), err
    assert [forged.status_code, page.status_code] == [200, 200]
    assert person.leaks(out, err, url) == []


def test_refused_in_the_browser(person, provider):
    """No is an answer."""
    provider.behaviour.outcome = "deny"
    child = person.router.begin("auth", "chatgpt")
    assert child.stdout is not None
    httpx.get(child.stdout.readline().strip().removeprefix("login_url="), follow_redirects=True, trust_env=False)
    out, _ = child.communicate(timeout=60)

    assert (child.returncode, out) == (1, "oauth_status=denied\n")


def test_two_at_once(person, provider):
    """Two sign-ins of one person leave one account, whole; two of two persons leave two."""
    ran = []
    threads = [threading.Thread(target=lambda: ran.append(person.router("auth", "codex", "--yes"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.code for one in ran] == [0, 0]
    assert person.names() == ["codex-ada"]
    provider.behaviour.account_id = "acct-2"
    assert person.router("auth", "codex", "--yes").out.endswith("account=codex-ada-2\n")
    assert person.router("auth", "test").code == 0


STEPS = ["/api/accounts/deviceauth/usercode", DEVICE["codex"], "/oauth/token"]


@pytest.mark.parametrize("path", STEPS)
def test_kill_9(person, provider, path):
    """Killed in any step: the account that was there is there, whole, and works."""
    assert person.router("auth", "codex", "--yes").code == 0
    before = person.store().get("codex-ada")
    provider.faults[path] += ["pause"]
    calls = provider.count(path)
    child = person.router.begin("auth", "codex", "--yes")
    until(lambda: provider.count(path) > calls, within=30)
    child.kill()
    child.communicate()
    provider.go_on.set()

    assert person.store().get("codex-ada") == before
    assert person.router("auth", "test").out == "codex-ada:ok\n"


def test_import(person, tmp_path):
    """An auth.json is taken over with a warning; a broken one leaves what was there."""
    signed = person.router("auth", "codex", "--yes")
    assert signed.code == 0
    tokens = person.store().get("codex-ada").tokens
    source = tmp_path / "auth.json"
    held = {"access_token": tokens.access.reveal(), "refresh_token": tokens.refresh.reveal(), "account_id": "acct-1"}
    source.write_text(json.dumps({"tokens": held}))
    ran = person.router("auth", "codex", "import", "--yes", "--source", str(source), "--label", "cli")
    source.write_text(source.read_text()[:80])
    broken = person.router("auth", "codex", "import", "--yes", "--source", str(source), "--label", "cli")
    source.unlink()

    assert (ran.code, ran.out) == (0, "saved_auth=codex-cli\n")
    assert "warning: The refresh token in this file is good for one use" in ran.err
    assert (broken.code, broken.out) == (1, "")
    assert person.names() == ["codex-ada", "codex-cli"]
    assert person.leaks(ran.out, ran.err, broken.err) == []


def test_claude(person):
    """Not built, with the reason and what there is instead."""
    ran = person.router("auth", "claude")

    assert (ran.code, ran.out) == (2, "")
    assert "Anthropic allows" in ran.err
    assert "router secret set anthropic" in ran.err
