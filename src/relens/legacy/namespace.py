"""A network of this process's own, without a single way out of it. To be made before there is a second thread."""

import ctypes
import os
import sys
from pathlib import Path

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000


def leave_network() -> bool:
    """Whether it worked: it takes root, or a kernel that lets users have namespaces."""
    if sys.platform != "linux":
        return False
    user, group = os.geteuid(), os.getegid()
    if _unshare(NEW_NETWORK):
        return True
    if not _unshare(NEW_USER | NEW_NETWORK):
        return False
    # The process stays who it was, by name, too.
    for file, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            Path("/proc/self", file).write_text(line)
        except OSError:
            continue
    return True


def _unshare(flags: int) -> bool:
    return int(ctypes.CDLL(None, use_errno=True).unshare(flags)) == 0
