"""The page's certificate and key."""

import ssl
from pathlib import Path

from relens.device.credentials import credential
from relens.errors import DeviceTrouble


def usable_certificate(certificate: Path, key: Path) -> tuple[Path, Path]:
    """Where both can be read; they are known to be usable then.

    Raises:
        DeviceTrouble: RL-DEVICE-001 when they cannot be read, do not belong together, or the key asks for a password.
    """
    files = credential(certificate), credential(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password=_refuse)
    except (OSError, ValueError) as trouble:
        raise DeviceTrouble(
            "RL-DEVICE-001",
            f"the live page cannot be served with {certificate} and {key}: {trouble}",
            hint=f"both in PEM, made for each other, the key without a password: openssl pkey -in {key} -noout",
        ) from None
    return files


def _refuse() -> str:
    raise ValueError("the key asks for a password")
