"""From the desk to the cameras: keys, and a signed repository of plain files (TUF)."""

from relens.deliver.keys import NAMES, KeyRing, make_keys
from relens.deliver.repository import Published, create_repository, offers, publish, refresh, replace_key, withdraw

__all__ = [
    "NAMES",
    "KeyRing",
    "Published",
    "create_repository",
    "make_keys",
    "offers",
    "publish",
    "refresh",
    "replace_key",
    "withdraw",
]
