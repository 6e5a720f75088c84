"""A camera's file: what can be said of `/dev/videoN` without reading from it (Linux' videodev2.h)."""

import fcntl
import grp
import os
import pwd
import shlex
import stat
import struct
from contextlib import suppress
from pathlib import Path

from relens.device.doctor.finding import Finding, as_root, fine, wrong

LIST = "ls -l /dev/video*    # shows the cameras of this machine"
_CAPABILITY, _FORMAT = struct.Struct("16s32s32sIII12x"), struct.Struct("III32s4s16x")
_ASK_CAPABILITY, _ASK_FORMAT = 0x80685600, 0xC0405602  # VIDIOC_QUERYCAP, VIDIOC_ENUM_FMT
_CAPTURE, _OF_THIS_NODE = 0x1, 0x80000000
_MOST_FORMATS = 64


def check_video(device: Path) -> Finding:
    """Whether it is there, may be opened by this user, is a camera and offers pictures."""
    try:
        about = device.stat()
    except OSError as trouble:
        return wrong("camera", f"{device}: {trouble.strerror}", LIST)
    if not stat.S_ISCHR(about.st_mode):
        return wrong("camera", f"{device} is no device", f"{as_root('rm')} {shlex.quote(str(device))}")
    if not os.access(device, os.R_OK | os.W_OK):
        return wrong("camera", f"{device} is closed to this user", grant(about))
    try:
        name, formats = describe(device)
    except OSError as trouble:
        return wrong("camera", f"{device} is no camera, or it is gone: {trouble.strerror}", LIST)
    if not formats:
        return wrong("camera", f"{device} ({name}) offers no pictures: it is not the one that films", LIST)
    return fine("camera", f"{device}: {name}, {' '.join(formats)}")


def describe(device: Path) -> tuple[str, tuple[str, ...]]:
    """A camera's name and the pixel formats it offers, by their four letters.

    Raises:
        OSError: it cannot be opened, or is none.
    """
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(descriptor, _ASK_CAPABILITY, bytes(_CAPABILITY.size))
        _, name, _, _, whole, own = _CAPABILITY.unpack(answer)
        if not (own if whole & _OF_THIS_NODE else whole) & _CAPTURE:
            return _text(name), ()
        formats = []
        with suppress(OSError):  # after the last one
            for number in range(_MOST_FORMATS):
                question = _FORMAT.pack(number, _CAPTURE, 0, b"", b"")
                formats.append(_text(_FORMAT.unpack(fcntl.ioctl(descriptor, _ASK_FORMAT, question))[4]))
        return _text(name), tuple(formats)
    finally:
        os.close(descriptor)


def grant(about: os.stat_result) -> str:
    """The command that lets this user open a device: into its group, or where that is root's, past it."""
    try:
        group, user = grp.getgrgid(about.st_gid).gr_name, pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        group, user = str(about.st_gid), str(os.geteuid())
    return as_root(f"usermod -aG {group} {user}    # and log in again; the service has this right by itself")


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("ascii", "replace").strip()
