"""Encrypted connections to upstreams: whom they trust, and what they say when they do not."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.scripted import OK, ScriptedServer, Visit, answers, answers_always, answers_and_closes, scripted
from support.upstream_calls import CHUNKED, QUICK, call, failure_of, post

from llm_router.gateway.http_proxies import Proxies
from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamRequest
from llm_router.routing.plan import Timeouts

_YESTERDAY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


class Authority:
    """A certificate authority of one test, and the servers it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own authority")])
        held = self._builder(self.name, self.key.public_key(), _LATER)
        held = held.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        held = held.add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        held = held.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        self.path = folder / "authority.pem"
        self.path.write_bytes(held.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, until: dt.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_YESTERDAY)
            .not_valid_after(until)
        )

    def server(self, name: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
        """What a server of that name or address needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        until = _YESTERDAY + dt.timedelta(days=1) if expired else _LATER
        held = self._builder(subject, key.public_key(), until)
        held = held.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        held = held.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        certificate = held.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        path = self.folder / f"server-{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that OpenSSL trusts: it is told through the environment, as a person would."""
    held = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(held.path))
    return held


async def test_trusted_upstream(authority: Authority, client: UpstreamClient):
    """A certificate of a trusted authority for the right address, as SSL_CERT_FILE says; one handshake serves many."""
    async with scripted(answers_always(OK), tls=authority.server()) as server:
        for _ in range(5):
            assert await call(client, post(server.url)) == (200, b"{}")

    assert server.connections == 1


async def test_streams_and_large_bodies(authority: Authority, client: UpstreamClient):
    """Encrypted bytes are the same bytes."""
    body = bytes(range(256)) * 4096
    size = 3 * 2**20
    big = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"y" * size
    async with scripted(answers(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", big), tls=authority.server()) as server:
        assert await call(client, post(server.url, body)) == (200, b"hello")
        assert (200, b"y" * size) == await call(client, post(server.url))

    assert (body, 1) == (server.requests[0].body, server.connections)


async def test_names_what_it_wants(authority: Authority, client: UpstreamClient):
    """The server is told the name it is called by (SNI), and offered HTTP/1.1 (ALPN)."""
    context = authority.server("localhost")
    context.set_alpn_protocols(["h2", "http/1.1"])
    told: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    spoken: list[str | None] = []

    async def note(visit: Visit) -> None:
        spoken.append(visit.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answers(OK)(visit)

    async with scripted(note, tls=context) as server:
        assert await call(client, post(f"https://localhost:{server.port}/")) == (200, b"{}")

    assert (told, spoken) == (["localhost"], ["http/1.1"])


@pytest.mark.parametrize(("name", "expired"), [("127.0.0.2", False), ("other.example", False), ("127.0.0.1", True)])
async def test_wrong_certificate(authority: Authority, client: UpstreamClient, name: str, expired: bool):
    """A certificate for another host, or of another time, is as good as none."""
    async with scripted(answers(OK), tls=authority.server(name, expired=expired)) as server:
        assert await failure_of(client, post(server.url)) == (Reason.TLS, b"")

    assert server.requests == []


async def test_unknown_authority(tmp_path: Path, client: UpstreamClient):
    """A certificate that nobody vouches for."""
    async with scripted(answers(OK), tls=Authority(tmp_path).server()) as server:
        assert await failure_of(client, post(server.url)) == (Reason.TLS, b"")

    assert server.requests == []


async def test_plain_server_at_an_encrypted_address(authority: Authority, client: UpstreamClient):
    """A server that answers a handshake with something else."""

    async def shout(visit: Visit) -> None:
        await visit.reader.read(10)
        await visit.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await visit.gone()

    async with scripted(shout) as server:
        assert await failure_of(client, post(f"https://127.0.0.1:{server.port}/")) == (Reason.TLS, b"")


async def test_handshake_that_hangs(authority: Authority, client: UpstreamClient):
    """A server that accepts and says nothing: the connection's time covers the handshake."""

    async def mute(visit: Visit) -> None:
        await visit.gone()

    async with scripted(mute) as server:
        sent = post(f"https://127.0.0.1:{server.port}/")
        assert await failure_of(client, sent, Timeouts(connect=0.3)) == (Reason.CONNECT_TIMEOUT, b"")


async def test_answer_that_breaks_off(authority: Authority, client: UpstreamClient):
    """An encrypted answer that is cut is broken, not finished."""
    async with scripted(answers_and_closes(CHUNKED + b"5\r\nhello\r\n"), tls=authority.server()) as server:
        assert await failure_of(client, post(server.url)) == (Reason.BROKEN, b"hello")


# Through a proxy.


def tunnel(to: ScriptedServer, refusal: bytes = b"", extra: bytes = b""):
    """A proxy that opens a tunnel to one server, whatever it is asked for."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def play(visit: Visit) -> None:
        await visit.request()
        if refusal:
            await visit.say(refusal)
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
        await visit.say(b"HTTP/1.1 200 Connection established\r\n\r\n" + extra)
        try:
            await asyncio.gather(pump(visit.reader, writer), pump(reader, visit.writer))
        finally:
            writer.close()

    return play


def outside(url: str) -> UpstreamRequest:
    """A request that may take a proxy."""
    return UpstreamRequest("POST", url, [("x-a", "1")], b"{}", is_local=False)


async def test_tunnel(authority: Authority):
    """An encrypted call goes through CONNECT; the proxy is shown its password and nothing else, and used again."""
    async with (
        scripted(answers_always(OK), tls=authority.server("api.example")) as server,
        scripted(tunnel(server)) as proxy,
    ):
        client = UpstreamClient(proxies=Proxies({"https": f"http://me:p%40ss@127.0.0.1:{proxy.port}"}))
        for _ in range(3):
            assert await call(client, outside("https://api.example/v1")) == (200, b"{}")
        await client.close()

    assert (proxy.connections, len(server.requests), server.connections) == (1, 3, 1)
    assert proxy.requests[0].lines == [
        "CONNECT api.example:443 HTTP/1.1",
        "Host: api.example:443",
        "Proxy-Authorization: Basic bWU6cEBzcw==",
    ]
    assert server.requests[0].lines == ["POST /v1 HTTP/1.1", "Host: api.example", "x-a: 1", "Content-Length: 2"]


async def test_tunnel_is_no_trust(authority: Authority):
    """The certificate behind a tunnel is the upstream's own, or the call fails."""
    async with (
        scripted(answers(OK), tls=authority.server("other.example")) as server,
        scripted(tunnel(server)) as proxy,
    ):
        client = UpstreamClient(proxies=Proxies({"https": proxy.url}))
        assert await failure_of(client, outside("https://api.example/v1")) == (Reason.TLS, b"")
        await client.close()


@pytest.mark.parametrize(
    ("refusal", "extra"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!", b""),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b""),
        (b"", b"early"),
    ],
)
async def test_tunnel_refused(authority: Authority, refusal: bytes, extra: bytes):
    """A proxy that opens no tunnel, or speaks into it, is a connection that failed."""
    async with (
        scripted(answers(OK), tls=authority.server("api.example")) as server,
        scripted(tunnel(server, refusal, extra)) as proxy,
    ):
        client = UpstreamClient(proxies=Proxies({"https": proxy.url}))
        reason, got = await failure_of(client, outside("https://api.example/"), QUICK)
        await client.close()

    assert (reason in {Reason.CONNECT, Reason.BROKEN}, got, server.requests) == (True, b"", [])


async def test_plain_call_through_a_proxy():
    """A plain call names its target whole in the request line; its connection is used again."""
    async with scripted(answers_always(OK)) as proxy:
        client = UpstreamClient(proxies=Proxies({"http": f"http://me:word@127.0.0.1:{proxy.port}"}))
        for _ in range(2):
            assert await call(client, outside("http://api.example:81/v1?a=b")) == (200, b"{}")
        await client.close()

    assert proxy.requests[1].lines == [
        "POST http://api.example:81/v1?a=b HTTP/1.1",
        "Host: api.example:81",
        "x-a: 1",
        "Proxy-Authorization: Basic bWU6d29yZA==",
        "Content-Length: 2",
    ]
    assert proxy.connections == 1


async def test_local_calls_take_no_proxy():
    """What is on this machine is reached on this machine."""
    async with scripted(answers(OK)) as proxy, scripted(answers(OK)) as server:
        client = UpstreamClient(proxies=Proxies({"all": proxy.url}))
        assert await call(client, post(server.url)) == (200, b"{}")
        await client.close()

    assert (proxy.connections, len(server.requests)) == (0, 1)


async def test_proxy_of_another_kind():
    """A proxy that cannot be used is said, not passed by."""
    client = UpstreamClient(proxies=Proxies({"all": "socks5://127.0.0.1:1"}))
    assert await failure_of(client, outside("https://api.example/")) == (Reason.CONNECT, b"")
    await client.close()
