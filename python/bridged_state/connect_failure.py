"""Why no connection stands, in a sentence that says what to mend: what was met by a connection of our own. Path: connection -> [connect failure] -> user.

grpc keeps apart neither an authority that is unknown nor a server without TLS from one that is not there, in words a person would understand.
Slow: one look has its time. It decides nothing but the words.
"""

import asyncio
import errno
import re
import socket
import ssl
from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

from .tls_options import TlsOptions

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2 says first, with no settings."""

_UNTRUSTED = ("self", "unable to get", "unable to verify", "untrusted")


class Finding(NamedTuple):
    """`kind`: `http2`, `other` (answers, not in HTTP/2), `closed`, `silent`, `error`. `stage`: `connect`, `tls` or `greeting`."""

    kind: str
    stage: str
    code: str = ""
    error: Optional[Exception] = None


async def why_none_connected(
    endpoints: Sequence[str], tls: Optional[TlsOptions], said: Mapping[str, str], seconds: float
) -> Optional[str]:
    """Of each of them. `said`: grpc's words by endpoint. None where nothing more is known than those."""
    looks = (why_not_connected(endpoint, tls, said.get(endpoint, ""), seconds) for endpoint in endpoints)
    sentences = await asyncio.gather(*looks)
    if not any(sentences):
        return None
    return "; ".join(known or f"no bridge server answers at {endpoint}" for endpoint, known in zip(endpoints, sentences))


async def why_not_connected(endpoint: str, tls: Optional[TlsOptions], said: str, seconds: float) -> Optional[str]:
    """`said`: grpc's words. None where nothing more is known than those."""
    named = re.search(r"Peer name (\S+) is not in peer certificate", said)
    if named:
        return _wrong_name(endpoint, named[1])
    place = place_of(endpoint)
    if place is None or (tls is not None and tls.context is None):
        if "certificate verify failed" in said.lower().replace("_", " "):
            return f"the certificate of {endpoint} is not trusted: give the authority that signed it"
        return None
    context = None if tls is None else tls.context
    server_name = place[0] if tls is None or tls.server_name is None else tls.server_name
    own = await look(place, context, server_name, seconds)
    if own.kind == "http2" or own.stage == "connect":
        return _sentence(endpoint, tls, own)
    if own.kind != "error" or not isinstance(own.error, ssl.SSLCertVerificationError):
        anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyone.check_hostname = False
        anyone.verify_mode = ssl.CERT_NONE
        anyone.set_alpn_protocols(["h2"])
        other = await look(place, anyone if tls is None else None, server_name, seconds)
        if tls is None and (other.kind == "http2" or other.stage == "greeting" or "ALERT" in other.code):
            return f'{endpoint} speaks TLS, and this session does not: give tls=True or tls={{"ca": …}}, or name a port without encryption'
        if tls is not None and other.kind == "http2":
            return f"{endpoint} does not speak TLS: leave tls out, or name a port with encryption"
    return _sentence(endpoint, tls, own)


def _sentence(endpoint: str, tls: Optional[TlsOptions], own: Finding) -> Optional[str]:
    if own.stage == "connect":
        return _of_network(endpoint, own)
    if isinstance(own.error, ssl.SSLCertVerificationError):
        return _of_certificate(endpoint, own.error)
    if own.kind == "silent":
        return f"{endpoint} accepts a connection and says nothing: check that a gRPC server is there"
    if own.kind == "other":
        return f"{endpoint} answers, but not in HTTP/2: check that a gRPC server is there"
    if tls is None:
        return None if own.kind == "http2" else f"{endpoint} ends each connection at once: check that a gRPC server is there"
    if "ALERT" in own.code and ("CERT" in own.code or "UNKNOWN_CA" in own.code or "HANDSHAKE_FAILURE" in own.code):
        if not tls.has_certificate:
            return f'{endpoint} wants a certificate from its clients ({own.code}): give tls={{"cert": …, "key": …}}'
        return f'{endpoint} refuses the certificate tls["cert"] ({own.code}): give one that its authority signed'
    if own.stage == "greeting" and own.kind != "http2":
        if tls.has_certificate:
            return f'{endpoint} ends the connection after the TLS handshake: it may not trust the certificate tls["cert"]'
        return f'{endpoint} ends the connection after the TLS handshake: it may want a client certificate, tls["cert"] and tls["key"]'
    if own.kind == "http2":
        return None
    return f"the TLS handshake with {endpoint} failed ({own.code or 'it was ended'}): check that it speaks TLS, and its certificate"


def _of_certificate(endpoint: str, error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message
    if "mismatch" in why.lower():
        asked = re.search(r"'([^']+)'", why)
        return _wrong_name(endpoint, asked[1] if asked else "")
    if "expired" in why:
        return f"the certificate of {endpoint} has expired: renew it"
    if "not yet valid" in why:
        return f"the certificate of {endpoint} is not valid yet: check the clocks"
    if any(word in why for word in _UNTRUSTED):
        return f'the certificate of {endpoint} is not trusted ({why}): give the authority that signed it as tls={{"ca": …}}'
    return f"the certificate of {endpoint} is refused ({why}): replace it"


def _wrong_name(endpoint: str, asked: str) -> str:
    wanted = f" ({asked} is not in it)" if asked else ""
    return (
        f"the certificate of {endpoint} is for another host name{wanted}: connect by a name that it holds, "
        'or give that as tls={"server_name": …}'
    )


def _of_network(endpoint: str, own: Finding) -> Optional[str]:
    if isinstance(own.error, socket.gaierror):
        if own.error.errno == socket.EAI_AGAIN:
            return f"DNS does not answer for the name in {endpoint} ({own.code}): check the network and its name servers"
        return f"DNS does not know the name in {endpoint} ({own.code}): check its spelling"
    if own.kind == "silent":
        return f"no network leads to {endpoint} in time: check the address"
    return f"no bridge server answers at {endpoint} ({own.code}): start it, or check the endpoint"


def place_of(endpoint: str) -> Optional[Tuple[str, int]]:
    """Host and port; None of the endpoints that only grpc reads, such as those of a socket's path."""
    found = re.fullmatch(r"(?:(?:dns|ipv4|ipv6):(?:///)?)?(?:\[([^\]]+)\]|([^:/\[\],]+)):(\d{1,5})", endpoint.strip())
    if found is None or int(found[3]) > 65535:
        return None
    return found[1] or found[2], int(found[3])


async def look(place: Tuple[str, int], context: Optional[ssl.SSLContext], server_name: str, seconds: float) -> Finding:
    """One connection: how far it comes, ended in every case."""
    stage = ["connect"]
    try:
        return await asyncio.wait_for(_look(place, context, server_name, stage), seconds)
    except asyncio.TimeoutError:
        return Finding("silent", stage[0])
    except ssl.SSLError as error:
        return Finding("error", "tls" if stage[0] == "connect" else stage[0], error.reason or type(error).__name__, error)
    except socket.gaierror as error:
        return Finding("error", "connect", _code_of_name(error), error)
    except (ConnectionResetError, BrokenPipeError):
        return Finding("closed", stage[0])
    except OSError as error:
        return Finding("error", stage[0], errno.errorcode.get(error.errno or 0) or str(error), error)


async def _look(place: Tuple[str, int], context: Optional[ssl.SSLContext], server_name: str, stage: "list[str]") -> Finding:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(*place, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    raw = socket.socket(family, kind, protocol)
    raw.setblocking(False)
    try:
        await loop.sock_connect(raw, address)
        stage[0] = "greeting" if context is None else "tls"
        if context is None:
            reader, writer = await asyncio.open_connection(sock=raw)
        else:
            reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname=server_name)
    except BaseException:
        raw.close()
        raise
    try:
        stage[0] = "greeting"
        writer.write(PREFACE)
        greeting = await reader.read(9)
        if not greeting:
            return Finding("closed", "greeting")
        # The server's settings are the first that it says.
        return Finding("http2" if len(greeting) > 3 and greeting[3] == 4 else "other", "greeting")
    finally:
        writer.transport.abort()


def _code_of_name(error: socket.gaierror) -> str:
    names = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
    return names.get(error.errno or 0, "unknown")
