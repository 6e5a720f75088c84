"""Whether this machine knows what time it is: events carry it, and certificates are judged by it."""

import ctypes
import shutil
from datetime import datetime, timezone
from pathlib import Path

from relens.device.doctor.finding import Finding, as_root, fine, unknown, wrong

SYSTEMD = Path("/run/systemd/system")
MOST_YEARS = 20
_YEAR_S = 365.25 * 86400
_UNSYNCHRONIZED = 0x40


class Timex(ctypes.Structure):
    """The first fields of Linux' `struct timex` (adjtimex(2)), and room for the others."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("most_error_us", ctypes.c_long),
        ("error_us", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision_us", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("more", ctypes.c_char * 512),
    )


def check_clock(now_s: float, installed_s: float, synchronized: bool | None) -> Finding:
    """The time, beside a moment that is certainly over.

    Args:
        now_s: what the clock shows, in seconds since 1970.
        installed_s: when relens was put here.
        synchronized: whether a time server keeps it; None where that is not known.
    """
    shown = f"{datetime.fromtimestamp(now_s, timezone.utc):%Y-%m-%d %H:%M} UTC"
    if now_s < installed_s:
        return wrong("clock", f"{shown}: relens was installed later than that", set_clock())
    if now_s > installed_s + MOST_YEARS * _YEAR_S:
        return wrong("clock", f"{shown}: more than {MOST_YEARS} years after relens was installed", set_clock())
    if synchronized is None:
        return unknown("clock", f"{shown}; the system does not tell whether a time server keeps it")
    if not synchronized:
        return wrong("clock", f"{shown}; no time server keeps it", set_clock())
    return fine("clock", f"{shown}, kept by a time server")


def set_clock(systemd: Path = SYSTEMD) -> str:
    """The command that lets a time server keep the clock."""
    if systemd.is_dir() and shutil.which("timedatectl"):
        return as_root("timedatectl set-ntp true")
    return as_root("apt-get install chrony    # in a container: on its host")


def synchronized() -> bool | None:
    """Whether a time server keeps the kernel's clock; None where it may not be asked."""
    timex = ask_kernel()
    return None if timex is None else not timex.status & _UNSYNCHRONIZED


def ask_kernel() -> Timex | None:
    """What the kernel says of its clock; None where it may not be asked."""
    timex = Timex()  # modes 0: nothing is changed
    try:
        answer: int = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else timex


def installed_s() -> float:
    """When this file was written, in seconds since 1970."""
    return Path(__file__).stat().st_mtime
