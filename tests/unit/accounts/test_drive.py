"""The driver against a real loopback server: lost networks, spent requests, redirects, cancelling, the browser."""

import threading
from contextlib import closing

import httpx
import pytest

from llm_router.accounts.callback import CallbackPort
from llm_router.accounts.drive import Driver, RedirectRefused
from llm_router.accounts.flow import Ask, Listen, NetworkLost, SignInCancelled, SignInFailed, Wait
from llm_router.testing.identity_provider import IdentityProvider


@pytest.fixture
def provider():
    with IdentityProvider() as running:
        yield running


def asking(*asks):
    answers = [None] * len(asks)
    for number, ask in enumerate(asks):
        answers[number] = yield ask
    return answers


def jwks(provider, **how):
    return Ask("GET", f"{provider.url}/.well-known/openid-configuration", **how)


def test_dropped_connections(provider):
    """A request that can be repeated is; one that spends something is not, once it was sent."""
    path = "/.well-known/openid-configuration"
    provider.faults[path] += ["drop", "lost"]
    assert Driver().run(asking(jwks(provider)))[0].text("issuer") == provider.url
    provider.faults[path] += ["drop"]
    with pytest.raises(NetworkLost) as caught:
        Driver().run(asking(jwks(provider, spends=True)))

    assert (caught.value.sent, provider.count(path)) == (True, 4)


def test_nobody_listens(provider):
    """What surely never left may be sent again, until patience ends."""
    provider.vanish()
    with pytest.raises(NetworkLost) as caught:
        Driver(patience=0.0).run(asking(jwks(provider, spends=True)))
    assert caught.value.sent is False
    timer = threading.Timer(0.3, provider.listen)
    timer.start()

    assert Driver().run(asking(jwks(provider, spends=True)))[0].status == 200
    timer.join()


def test_redirects(provider):
    """Never followed, whatever they carry."""
    provider.faults["/.well-known/openid-configuration"] += ["redirect"]
    with pytest.raises(RedirectRefused):
        Driver().run(asking(jwks(provider)))

    assert provider.count("/elsewhere") == 0


def test_plain_http_to_elsewhere():
    """Refused before a connection is made."""
    with pytest.raises(SignInFailed):
        Driver().run(asking(Ask("GET", "http://192.0.2.1/")))


def test_cancelled():
    """From another thread, at once."""
    driver = Driver()
    timer = threading.Timer(0.1, driver.cancel.set)
    timer.start()
    with pytest.raises(SignInCancelled):
        driver.run(asking(Wait(600.0)))
    timer.join()


def test_the_flow_is_closed():
    """Whatever ends a run, the flow's own clean-up happens."""
    closed = []

    def flow():
        try:
            yield Ask("GET", "http://192.0.2.1/")
        finally:
            closed.append(True)

    with pytest.raises(SignInFailed), closing(flow()) as held:
        Driver().run(held)

    assert closed == [True]


def test_the_callback_port():
    """Only this machine, only the path that is waited for; the page repeats nothing."""
    with CallbackPort(Listen((0,), "/auth/callback")) as port:
        url = f"http://127.0.0.1:{port.port}"
        answers = []

        def browse():
            paths = ("/favicon.ico", "/auth/callback?state=s&code=c%20d", f"/auth/callback?{'x' * 9000}")
            answers.extend(httpx.get(url + path, trust_env=False) for path in paths)

        thread = threading.Thread(target=browse)
        thread.start()
        found = port.wait(20.0, threading.Event())
        port.wait(0.5, threading.Event())
        thread.join()

        assert found == {"state": "s", "code": "c d"}
        assert [answer.status_code for answer in answers] == [404, 200, 404]
        assert "c d" not in answers[1].text
        with pytest.raises(SignInFailed):
            CallbackPort(Listen((port.port,), "/auth/callback"))
