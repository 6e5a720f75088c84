"""Landlock: the kernel's own wall around this process, all its threads and all it starts (Linux 5.13 and later).

It stands against native code, too, which no wall inside Python does. Only what changes files is walled in; reading is
free. To be called before the process has a second thread: threads that run already stay outside.
https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38

WRITE_FILE, TRUNCATE, REFER = 1 << 1, 1 << 14, 1 << 13
# Removing and making folders and files of every kind.
CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
TCP = 0b11
"""Binding and connecting."""
SCOPES = 0b11
"""Abstract Unix sockets and signals, to processes outside."""


def version() -> int:
    """Of Landlock in this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION)))


def restrict(writable: Iterable[Path], *, network: bool) -> int:
    """Let this process change nothing but what is beneath these folders and files, for good.

    Args:
        writable: those that do not exist are left out.
        network: whether TCP stays open; it can be closed from version 4 on.

    Returns:
        The version that stands around the process now; 0 for none.
    """
    known = version()
    if not known:
        return 0
    files = WRITE_FILE | CHANGE_FOLDER | (REFER if known >= 2 else 0) | (TRUNCATE if known >= 3 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    rules = struct.pack("=QQQ", files, 0 if network else TCP, SCOPES)[:size]
    ruleset = _call(CREATE_RULESET, rules, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return 0
    try:
        for path in writable:
            _allow(ruleset, path, files)
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return 0
        return known if _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0 else 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, files: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        beneath = struct.pack("=Qi", files if folder else files & (WRITE_FILE | TRUNCATE), opened)
        _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), beneath, ctypes.c_uint32(0))
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    return int(library.syscall(ctypes.c_long(number), *arguments))
