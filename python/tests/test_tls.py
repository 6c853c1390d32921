"""TLS: what opens a session, and of what does not, a sentence that says which certificate or name is wrong and shows no secret."""

import contextlib
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
from certificates import Certificates
from servers import Server, asynchronous, until

from bridged_state import InvalidOptionsError, SessionContext, UnavailableError, sync

CONNECT_MS = 700
"""Loopback answers in a few: what does not connect is to be told soon."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.issue("server", "IP:127.0.0.1,DNS:localhost")
    made.issue("elsewhere", "DNS:house.example")
    made.issue("client", "DNS:client")
    made.issue("stranger", "DNS:client", authority="other")
    return made


@contextlib.contextmanager
def serving(certificates: Certificates, name: str, wants_certificate: bool = False) -> Iterator[Server]:
    options = ["--tls-cert", certificates.path(f"{name}.pem"), "--tls-key", certificates.path(f"{name}.key")]
    if wants_certificate:
        options += ["--tls-ca", certificates.path("ca.pem")]
    server = Server(*options)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def encrypted(certificates: Certificates) -> Iterator[Server]:
    with serving(certificates, "server") as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(certificates: Certificates) -> Iterator[Server]:
    with serving(certificates, "elsewhere") as server:
        yield server


@pytest.fixture(scope="module")
def mutual(certificates: Certificates) -> Iterator[Server]:
    with serving(certificates, "server", wants_certificate=True) as server:
        yield server


async def use(endpoint: str, session_id: str, **options: Any) -> None:
    async with SessionContext.connect(endpoint, session_id, **options) as session:
        await session.register_variable("n", "integer", 1)
        watch = session.watch_variables(["n"])
        await watch.ready()
        await session.set_variable("n", 2)
        assert (await watch.__anext__()).value == 2
        await watch.aclose()


async def refusal(endpoint: str, **options: Any) -> str:
    """The sentence, told within the time for connecting and a little."""
    with pytest.raises(UnavailableError) as caught:
        await SessionContext.connect(endpoint, "house", connect_timeout_ms=CONNECT_MS, **options)
    assert endpoint in caught.value.message
    return caught.value.message


@asynchronous
async def test_the_authority_is_taken_as_bytes_text_or_a_path(
    certificates: Certificates, encrypted: Server, session_id: str, transport: str
) -> None:
    for place, ca in enumerate((certificates.read("ca.pem"), certificates.read("ca.pem").decode(), certificates.path("ca.pem"), Path(certificates.path("ca.pem")))):
        await use(encrypted.endpoint, f"{session_id}-{place}", transport=transport, tls={"ca": ca})
    localhost = f"localhost:{encrypted.port}"
    await use(localhost, f"{session_id}-name", transport=transport, tls={"ca": certificates.path("ca.pem")})


@asynchronous
async def test_a_client_shows_the_certificate_that_a_server_wants(
    certificates: Certificates, mutual: Server, session_id: str, transport: str
) -> None:
    own = {"ca": certificates.path("ca.pem"), "cert": certificates.path("client.pem"), "key": certificates.read("client.key")}
    await use(mutual.endpoint, session_id, transport=transport, tls=own)

    said = await refusal(mutual.endpoint, transport=transport, tls={"ca": certificates.path("ca.pem")})
    assert "wants a certificate from its clients" in said or "may want a client certificate" in said

    stranger = {**own, "cert": certificates.path("stranger.pem"), "key": certificates.path("stranger.key")}
    said = await refusal(mutual.endpoint, transport=transport, tls=stranger)
    assert "certificate" in said and 'tls["cert"]' in said


@asynchronous
async def test_an_authority_that_signed_nothing_here_is_told(certificates: Certificates, encrypted: Server, transport: str) -> None:
    said = await refusal(encrypted.endpoint, transport=transport, tls={"ca": certificates.path("other.pem")})
    assert "the certificate of" in said and "is not trusted" in said and "ca" in said
    # The authorities that grpc knows signed nothing of it either.
    assert "is not trusted" in await refusal(encrypted.endpoint, transport=transport, tls=True)


@asynchronous
async def test_a_certificate_of_another_name_is_told_and_server_name_mends_it(
    certificates: Certificates, elsewhere: Server, session_id: str, transport: str
) -> None:
    ca = certificates.path("ca.pem")
    said = await refusal(elsewhere.endpoint, transport=transport, tls={"ca": ca})
    assert "another host name" in said and "server_name" in said
    said = await refusal(elsewhere.endpoint, transport=transport, tls={"ca": ca, "server_name": "garden.example"})
    assert "garden.example" in said
    await use(elsewhere.endpoint, session_id, transport=transport, tls={"ca": ca, "server_name": "house.example"})


@asynchronous
async def test_one_side_that_speaks_without_tls_is_told(certificates: Certificates, encrypted: Server, server: Server) -> None:
    assert "speaks TLS, and this session does not" in await refusal(encrypted.endpoint)
    assert "does not speak TLS" in await refusal(server.endpoint, tls={"ca": certificates.path("ca.pem")})


@asynchronous
async def test_a_name_that_dns_does_not_know_is_told() -> None:
    for tls in (None, True):
        said = await refusal("no-such-host.invalid:50051", tls=tls)
        assert "DNS" in said


@asynchronous
async def test_a_session_over_tls_returns_after_a_restart(certificates: Certificates, session_id: str) -> None:
    with serving(certificates, "server") as first:
        port = first.port
        states = []
        async with SessionContext.connect(
            first.endpoint, session_id, tls={"ca": certificates.path("ca.pem")}, on_state=states.append
        ) as session:
            first.kill()
            await until(lambda: "backoff" in states, "the break")
            options = ("--tls-cert", certificates.path("server.pem"), "--tls-key", certificates.path("server.key"))
            second = Server(*options, port=port)
            try:
                await until(lambda: session.state == "live", "the return")
                await session.register_variable("n", "integer", 1)
                assert await session.get_variable("n") == 1
            finally:
                second.close()


def test_the_synchronous_face_takes_tls(certificates: Certificates, encrypted: Server, session_id: str) -> None:
    with sync.SessionContext.connect(encrypted.endpoint, session_id, tls={"ca": certificates.path("ca.pem")}) as session:
        session.register_variable("n", "integer", 3)
        assert session.get_variable("n") == 3
    with pytest.raises(UnavailableError, match="not trusted"):
        sync.SessionContext.connect(
            encrypted.endpoint, session_id, tls={"ca": certificates.path("other.pem")}, connect_timeout_ms=CONNECT_MS
        ).open()


def refused_at_once(certificates: Certificates) -> Dict[str, Tuple[Any, str]]:
    ca, cert, key = (certificates.path(name) for name in ("ca.pem", "client.pem", "client.key"))
    secret = certificates.read("client.key").decode()
    return {
        "a path in bytes": ({"ca": ca.encode()}, "ca is a path in bytes"),
        "a file that is not there": ({"ca": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        "a folder": ({"ca": str(Path(ca).parent)}, "cannot be read"),
        "no PEM": ({"ca": b"hello"}, "ca holds no"),
        "half a PEM": ({"ca": "-----BEGIN CERTIFICATE-----\nnonsense\n"}, "ca holds a certificate that cannot be read"),
        "a key for a certificate": ({"ca": key}, "holds no"),
        "a key, as text, for a certificate": ({"ca": secret}, "ca holds no"),
        "a certificate for a key": ({"cert": cert, "key": cert}, "key holds no"),
        "both swapped": ({"cert": key, "key": cert}, "cert"),
        "a key without its label": ({"cert": cert, "key": secret.split("\n")[1]}, "key cannot be read"),
        "another key": ({"cert": cert, "key": certificates.path("server.key")}, "key does not belong to cert"),
        "an encrypted key": ({"cert": cert, "key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n"}, "encrypted"),
        "a certificate alone": ({"cert": cert}, "belong together"),
        "a key alone": ({"key": key}, "belong together"),
        "a key in a list": ({"cert": cert, "key": [secret]}, "key is of type list"),
        "a misspelt part": ({"root": ca}, "root"),
        "a number": ({"ca": 5}, "ca is of type int"),
        "a name that is none": ({"ca": ca, "server_name": 5}, "server_name"),
        "the text of a key": (secret, "tls: give True"),
    }


def test_what_is_no_certificate_is_refused_where_it_is_given(certificates: Certificates) -> None:
    secrets = certificates.read("client.key").decode().split("\n")[1:2] + certificates.read("server.key").decode().split("\n")[1:2]
    for what, (tls, fact) in refused_at_once(certificates).items():
        with pytest.raises(InvalidOptionsError) as caught:
            SessionContext.connect("127.0.0.1:1", tls=tls)
        assert fact in caught.value.message, (what, caught.value.message)
        assert caught.value.message.startswith("tls: "), what
        told = "".join(traceback.format_exception(type(caught.value), caught.value, None))
        assert not any(secret in told for secret in secrets), what


def test_a_token_that_no_header_carries_is_refused_and_not_shown() -> None:
    for token in ("secret\nline", "sécret", " secret", "secret\x00"):
        with pytest.raises(InvalidOptionsError) as caught:
            SessionContext.connect("127.0.0.1:1", token=token)
        assert token.strip() not in caught.value.message and "secret" not in repr(caught.value)
