"""`[page]` in `camera.toml`: where the live page is served, and what makes that safe."""

import ipaddress
import socket
from pathlib import Path

from pydantic import Field, model_validator

from relens.errors import BadConfig
from relens.spec.strict import Strict

EVERYWHERE = ("", "0.0.0.0", "::")


class PageSettings(Strict):
    """`[page]`: the live page; port 0 takes a free one.

    host: the address to listen at; `0.0.0.0` and `::` are all of this machine's. certificate, key: files in PEM; with
    them the page is HTTPS, and beyond this machine it is nothing else.
    """

    serve: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _come_together(self) -> "PageSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        return self


def check_page(host: str, certificate: Path | None, where: str | Path) -> None:
    """A page that other machines can reach shows its token and its pictures to nobody on the way.

    Args:
        host: where it is to listen.
        certificate: what it has for HTTPS.
        where: file or place named in the error.

    Raises:
        BadConfig: RL-CONFIG-003 when it would listen beyond loopback without HTTPS; the hint makes the files.
    """
    if certificate is None and not is_loopback(host):
        raise BadConfig(
            "RL-CONFIG-003",
            f"{where}: `page.host`: {host or 'every address'} can be reached from other machines, "
            "and without `certificate` and `key` everything would go there in the clear",
            hint=f"{making_certificate(host)}, then set certificate and key under [page]",
        )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def making_certificate(host: str) -> str:
    """The command that makes `page.crt` and `page.key` for ten years, signed by nobody but themselves."""
    name = socket.gethostname().lower()
    try:
        names = [f"IP:{ipaddress.ip_address(host)}"] if host not in EVERYWHERE else []
    except ValueError:
        names = [f"DNS:{host}"]
    names += [f"DNS:{one}" for one in (name, f"{name}.local", "localhost")]
    return (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 "
        f"-keyout page.key -out page.crt -subj /CN={name[:64]} -addext subjectAltName={','.join(dict.fromkeys(names))}"
    )
