"""A filter in the kernel that refuses to make sockets, but those within this machine (seccomp, Linux 3.5 and later).

It takes no rights, so it stands where a network of one's own is not to be had; it holds for native code and for all
that is started. To be set before there is a second thread. https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import platform
import struct
import sys

NO_NEW_PRIVILEGES, SET_SECCOMP, MODE_FILTER = 38, 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
UNIX = 1
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Where a filter finds them."""
IO_URING_SETUP = 425
"""A ring makes sockets without the call that is watched."""
FOREIGN = 0x40000000
"""From here on the numbers are those of another calling convention (x32)."""

CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""What the kernel calls a machine, and the number of `socket` there."""

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06


def refuse_sockets() -> bool:
    """Whether the filter stands from now on."""
    known = CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    program = _program(*known)
    code = ctypes.create_string_buffer(program)
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return int(library.prctl(SET_SECCOMP, MODE_FILTER, head, 0, 0)) == 0


def _program(architecture: int, socket: int) -> bytes:
    """Instructions of classic BPF. The numbers after a test: how many to pass over if it holds, and if not."""
    steps = (
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 7, architecture),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 5, 0, FOREIGN),
        (EQUAL, 4, 0, IO_URING_SETUP),
        (EQUAL, 0, 2, socket),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 0, 1, UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
