"""From the desk to the cameras: keys, a signed repository of plain files (TUF), and the ways to one box or a fleet."""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.deliver.fleet import Target, check
    from relens.deliver.keys import NAMES, KeyRing, make_keys
    from relens.deliver.listing import table
    from relens.deliver.plan import Plan
    from relens.deliver.repository import (
        Published,
        create_repository,
        offers,
        publish,
        refresh,
        replace_key,
        roll_back,
        withdraw,
    )

__all__ = [
    "NAMES",
    "KeyRing",
    "Plan",
    "Published",
    "Target",
    "check",
    "create_repository",
    "make_keys",
    "offers",
    "publish",
    "refresh",
    "replace_key",
    "roll_back",
    "table",
    "withdraw",
]

# SSH alone needs no keys and no TUF.
__getattr__ = on_first_use(
    __name__,
    {
        "fleet": ["Target", "check"],
        "keys": ["NAMES", "KeyRing", "make_keys"],
        "plan": ["Plan"],
        "repository": [
            "Published",
            "create_repository",
            "offers",
            "publish",
            "refresh",
            "replace_key",
            "roll_back",
            "withdraw",
        ],
        "listing": ["table"],
    },
)
