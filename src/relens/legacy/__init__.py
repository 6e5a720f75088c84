"""Old AWS DeepLens functions run unchanged: `awscam`, `mo`, `greengrasssdk`, on any camera, in a sandbox.

The parent process has the camera, the live page and the broker; the function runs in a child that it cannot leave.
"""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.legacy.session import run
    from relens.legacy.summary import Summary

__all__ = ["Summary", "run"]

# The child closes itself in before it loads any library that starts threads: it must not come with this package.
__getattr__ = on_first_use(__name__, {"session": ["run"], "summary": ["Summary"]})
