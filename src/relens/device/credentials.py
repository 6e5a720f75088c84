"""Files that hold secrets: read where they stand, or from where systemd has put them for this service alone.

A service without rights of its own cannot read `/etc/relens/camera.password` (root's, 0600). Its unit names it under
`LoadCredential=`, and systemd hands it over in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), Credentials).
"""

import os
from pathlib import Path


def credential_name(file: Path) -> str:
    """What a file is called there."""
    return "-".join(file.absolute().parts[1:])


def credential(file: Path) -> Path:
    """Where a file can be read: handed over, else itself."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    given = Path(folder or "/", credential_name(file))
    return given if folder and given.exists() else file


def read_secret(file: Path) -> str:
    """A file's text without the line break at its end.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    return credential(file).read_text(encoding="utf-8").strip("\r\n")
