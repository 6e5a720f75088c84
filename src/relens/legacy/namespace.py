"""A network of this process's own, without a single way out of it. To be made before there is a second thread."""

import ctypes
import os
import struct
import sys
from pathlib import Path

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
DROP_FROM_BOUND = 24
CAPABILITIES_3 = 0x20080522

WAYS_BACK = (12, 13, 16, 17, 19, 21, 22, 25, 27)
"""What root could go back with, or change the machine: CAP_NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE,
SYS_ADMIN, SYS_BOOT, SYS_TIME and MKNOD."""


def leave_network() -> bool:
    """Whether it worked: it takes root, which has to `give_up` then, or a kernel that lets users have namespaces."""
    if sys.platform != "linux":
        return False
    if _unshare(NEW_NETWORK):
        return True
    user, group = os.geteuid(), os.getegid()
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


def give_up() -> bool:
    """`WAYS_BACK` of root's capabilities, for good: of this process and all that it starts."""
    library = ctypes.CDLL(None, use_errno=True)
    for number in WAYS_BACK:
        library.prctl(DROP_FROM_BOUND, number, 0, 0, 0)
    head, sets = struct.pack("=Ii", CAPABILITIES_3, 0), ctypes.create_string_buffer(24)
    if library.capget(head, sets):
        return False
    kept = ~sum(1 << number for number in WAYS_BACK)
    # Effective, permitted and inheritable, the low half of each first.
    low, high = struct.unpack("=3I3I", sets.raw)[:3], struct.unpack("=3I3I", sets.raw)[3:]
    left = struct.pack("=3I3I", *(one & kept for one in low), *high)
    return int(library.capset(head, left)) == 0
