"""An authority and certificates of its own, made by openssl in a folder of the test's. Path: tests -> [certificates] -> openssl."""

import subprocess
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """`path("server.pem")` and `path("server.key")` after `issue("server", "DNS:localhost")`; `ca.pem` and `other.pem` are authorities."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("ca", "other"):
            self._openssl("req", "-x509", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")

    def issue(self, name: str, names: str, authority: str = "ca", days: int = 2) -> None:
        """`names` as OpenSSL writes them, such as `DNS:localhost,IP:127.0.0.1`."""
        (self._folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._openssl("req", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", str(days))
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def path(self, name: str) -> str:
        return str(self._folder / name)

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=self._folder, check=True, capture_output=True)
