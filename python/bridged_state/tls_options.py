"""What `tls=` says, read and looked at where it is given: afterwards a connection that fails has other reasons. Path: session -> [tls options] -> grpc.

No text of a key stands in a sentence. Nothing waits here but the reading of files.
"""

import os
import re
import ssl
from typing import Any, Mapping, NamedTuple, NoReturn, Optional

import grpc

from ._core.describe_value import describe_value
from .errors import InvalidOptionsError

KEYS = ("ca", "cert", "key", "server_name")


class TlsOptions(NamedTuple):
    """Checked: what grpc is given, and the same for a connection of the standard library that finds out why none stands."""

    credentials: grpc.ChannelCredentials
    server_name: Optional[str]
    context: Optional[ssl.SSLContext]
    """None where the credentials were made by the user: nobody can look into those."""
    has_certificate: bool


def read_tls(tls: Any) -> Optional[TlsOptions]:
    """None speaks without. Raises InvalidOptionsError that says which text is wrong, and how."""
    if tls is None or tls is False:
        return None
    if tls is True:
        return TlsOptions(grpc.ssl_channel_credentials(), None, _context(), False)
    if isinstance(tls, grpc.ChannelCredentials):
        return TlsOptions(tls, None, None, False)
    if isinstance(tls, ssl.SSLContext):
        raise InvalidOptionsError('tls: grpc takes no SSLContext: give {"ca": …, "cert": …, "key": …}')
    if not isinstance(tls, Mapping):
        # It may be a key: only what it is, is said.
        raise InvalidOptionsError(f'tls: give True or {{"ca": …, "cert": …, "key": …}}, not a {type(tls).__name__}')
    unknown = [key for key in tls if key not in KEYS]
    if unknown:
        raise InvalidOptionsError(f"tls: {describe_value(unknown[0])} is unknown: it takes ca, cert, key and server_name")
    if (tls.get("cert") is None) != (tls.get("key") is None):
        raise InvalidOptionsError("tls: cert and key belong together: give both")
    server_name = tls.get("server_name")
    if server_name is not None and (not isinstance(server_name, str) or not server_name):
        raise InvalidOptionsError(
            f"tls: give server_name as the name in the server's certificate, not {describe_value(server_name)}"
        )
    ca, cert, key = (_read_pem(name, tls.get(name)) for name in ("ca", "cert", "key"))
    context = _context(ca)
    if cert is not None and key is not None:
        _check_key(key)
        _load_pair(context, cert, key)
    credentials = grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)
    return TlsOptions(credentials, server_name, context, cert is not None)


def _context(ca: Optional[bytes] = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as cause:
        raise InvalidOptionsError(
            f"tls: ca holds a certificate that cannot be read ({_reason(cause)}): give the PEM text of the authority"
        ) from None
    return context


def _read_pem(name: str, given: Any) -> Optional[bytes]:
    """PEM text, or of the file at the path that is given instead. Raises InvalidOptionsError."""
    if given is None:
        return None
    kind = "PRIVATE KEY" if name == "key" else "CERTIFICATE"
    if isinstance(given, (bytes, bytearray)):
        text = bytes(given)
    elif isinstance(given, str) and ("-----BEGIN" in given or "\n" in given):
        text = given.encode("utf-8", "replace")
    elif isinstance(given, (str, os.PathLike)):
        text = _read_file(name, given)
        if _has_label(text, kind):
            return text
        shown = "the file that is given as key" if name == "key" else f"{name}: the file {describe_value(str(given))}"
        _refuse(f'{shown} holds no "-----BEGIN {kind}-----"', kind)
    else:
        _refuse(f"{name} is of type {type(given).__name__}", kind)
    if not _has_label(text, kind):
        looks_like_path = isinstance(given, (bytes, bytearray)) and b"\n" not in text and bool(re.search(rb"[/\\.]", text))
        fact = "is a path in bytes" if looks_like_path else f'holds no "-----BEGIN {kind}-----"'
        _refuse(f"{name} {fact}", kind)
    return text


def _read_file(name: str, path: Any) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else "it is no path"
        # What is given as a key may be the key itself, and is not shown; the cause would show it too.
        shown = "" if name == "key" else f" {describe_value(str(path))}"
        raise InvalidOptionsError(
            f"tls: the file{shown} that is given as {name} cannot be read ({why}): give PEM, or the path of a file that holds it"
        ) from None


def _has_label(text: bytes, kind: str) -> bool:
    return re.search(rb"-----BEGIN [A-Z0-9 ]*" + kind.encode() + rb"-----", text) is not None


def _refuse(fact: str, kind: str) -> NoReturn:
    raise InvalidOptionsError(f"tls: {fact}: give PEM as bytes or text, or the path (a str) of a file of a {kind.lower()}")


def _check_key(key: bytes) -> None:
    if b"-----BEGIN ENCRYPTED" in key or b"Proc-Type: 4,ENCRYPTED" in key:
        raise InvalidOptionsError("tls: key is encrypted: decrypt it first, with openssl pkey")


def _load_pair(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """The standard library reads files alone: these are of memory, where the system has such; elsewhere grpc finds what is wrong."""
    if not hasattr(os, "memfd_create"):
        return
    held = [os.memfd_create("bridged_state_tls", 0) for _ in range(2)]
    try:
        for file, text in zip(held, (cert, key)):
            os.write(file, text)
            os.lseek(file, 0, os.SEEK_SET)
        context.load_cert_chain(f"/proc/self/fd/{held[0]}", f"/proc/self/fd/{held[1]}", password=lambda: b"")
    except ssl.SSLError as cause:
        if cause.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise InvalidOptionsError("tls: key does not belong to cert: give the key that the certificate was made for") from None
        raise InvalidOptionsError(f"tls: cert or key cannot be read ({_reason(cause)}): give the PEM texts of both") from None
    except OSError:
        # No /proc here: grpc finds what is wrong.
        return
    finally:
        for file in held:
            os.close(file)


def _reason(cause: Exception) -> str:
    """OpenSSL's word: its sentence names lines of its own source."""
    return getattr(cause, "reason", None) or type(cause).__name__
