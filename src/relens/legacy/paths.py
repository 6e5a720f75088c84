"""The paths of a DeepLens: `/tmp` is the run's own, `/opt/awscam/artifacts` the folder of models.

What goes through Python's own file functions is mapped, and with it all that is built on them (shutil, zipfile, numpy),
and OpenCV's readers and writers. Other native code sees the machine's real paths.
"""

import builtins
import io
import os
import stat
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from threading import current_thread
from typing import Any

from relens.errors import LegacyTrouble
from relens.legacy.link import WRITTEN, Link
from relens.legacy.models import Models
from relens.legacy.pictures import Capture

ARTIFACTS = "/opt/awscam/artifacts"
STREAMS = ("/opt/awscam/out/ch1_out.h264", "/opt/awscam/out/ch2_out.mjpeg")
ONE_PATH = (
    "access", "chdir", "chmod", "chown", "listdir", "lstat", "mkdir", "mkfifo", "mknod", "open", "readlink", "remove",
    "rmdir", "scandir", "stat", "statvfs", "truncate", "unlink", "utime",
)  # fmt: skip
TWO_PATHS = ("link", "rename", "replace", "symlink")
OF_CV2 = ("imread", "imwrite", "VideoWriter", "FileStorage", "CascadeClassifier")


class Paths:
    """Where the paths of a DeepLens lead.

    Args:
        link: knows the models' and the run's folder.
        kept: real folders that stay where they are, although they may lie in `/tmp`.
        lenient: whether files opened for text take bytes, as they did in Python 2; named pipes do in any case.
    """

    def __init__(self, link: Link, kept: Sequence[Path], *, lenient: bool = False) -> None:
        self.link, self.lenient = link, lenient
        self.temporary, self.models = str(link.folder / "tmp"), str(link.models)
        self._shelf = Models(link.models)
        self._kept = tuple(f"{path}/" for path in kept)

    def real(self, path: Any) -> Any:
        """The real path, in the type it came in; what is no path comes back as it is."""
        if isinstance(path, int) or not isinstance(path, str | bytes | os.PathLike):
            return path
        text = os.fsdecode(path)
        if not text.startswith("/"):
            return path
        found = self._mapped(os.path.normpath(text))
        return path if found is None else os.fsencode(found) if isinstance(path, bytes) else found

    def _mapped(self, path: str) -> str | None:
        if f"{path}/".startswith(self._kept):
            return None
        if path == "/tmp" or path.startswith("/tmp/"):
            return self.temporary + path.removeprefix("/tmp")
        if path == ARTIFACTS:
            return self.models
        if path.startswith(f"{ARTIFACTS}/"):
            return self._artifact(path.removeprefix(f"{ARTIFACTS}/"))
        return self._stream(path) if path in STREAMS else None

    def _stream(self, path: str) -> str:
        """A named pipe of that name: functions look whether there is one before they open it with OpenCV."""
        file = f"{self.temporary}/.awscam-{path.rpartition('/')[2]}"
        if not os.path.lexists(file):
            os.mkfifo(file)
        return file

    def _artifact(self, name: str) -> str:
        """A file of that name, else the model that stands for it: functions look whether their `.xml` is there."""
        file = f"{self.models}/{name}"
        if name.endswith(".xml") and not os.path.lexists(file):
            return str(self._shelf.file(name) or file)
        return file

    def install(self) -> None:
        """Put the mapping around Python's and OpenCV's file functions."""
        import cv2

        fourcc = cv2.VideoWriter.fourcc
        for name in ONE_PATH:
            setattr(os, name, _around(getattr(os, name), self.real, 1))
        for name in TWO_PATHS:
            setattr(os, name, _around(getattr(os, name), self.real, 2))
        builtins.open = io.open = self._opener(io.open)
        for name in OF_CV2:
            if hasattr(cv2, name):
                setattr(cv2, name, _around(getattr(cv2, name), self.real, 1))
        setattr(cv2.VideoWriter, "fourcc", fourcc)  # noqa: B010  which a function in place of the class would hide
        setattr(cv2, "VideoCapture", self._capturer(cv2.VideoCapture))  # noqa: B010  a function in place of a class

    def _opener(self, real_open: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real_open)
        def open_mapped(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            path = self.real(file)
            shows = bool(set(mode) & set("wa")) and _is_fifo(path)
            if shows:
                self.link.showing.add(current_thread())
            try:
                if "b" not in mode and (shows or (self.lenient and bool(set(mode) & set("wax")))):
                    return BytesToo(real_open(path, mode.replace("t", "") + "b"))
                file_opened = real_open(path, mode, *rest, **named)
                if set(mode) & set("wax+") and not shows:
                    WRITTEN.add(file_opened)
                return file_opened
            except FileNotFoundError:
                self._missing(file)
                raise

        return open_mapped

    def _missing(self, file: Any) -> None:
        """A function may catch this, and end without a word."""
        if isinstance(file, str) and (not file.startswith("/") or file.startswith(("/tmp/", ARTIFACTS))):
            self.link.trouble(
                LegacyTrouble(
                    "RL-LEGACY-007",
                    f"the function opens {file}, and there is none",
                    hint=f"put it into {self.models}" if file.startswith(ARTIFACTS) else "put it beside the function",
                )
            )

    def _capturer(self, real_capture: Callable[..., Any]) -> Callable[..., Any]:
        def capture(*arguments: Any, **named: Any) -> Any:
            source = arguments[0] if arguments else named.get("filename", named.get("index"))
            if source in STREAMS or source == 0:
                return Capture(self.link)
            return real_capture(*(self.real(one) for one in arguments), **named)

        return capture


class BytesToo:
    """A file opened for text that takes bytes as well, as Python 2 did."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, content: str | bytes) -> int:
        """Write one or the other, at once: whoever reads a pipe waits for it."""
        data = content.encode() if isinstance(content, str) else content
        written = int(self._file.write(data))
        self._file.flush()
        return written

    def writelines(self, lines: Sequence[str | bytes]) -> None:
        """Write all of them."""
        for line in lines:
            self.write(line)

    def __enter__(self) -> "BytesToo":
        return self

    def __exit__(self, *trouble: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _is_fifo(path: Any) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, TypeError, ValueError):
        return False


def _around(function: Callable[..., Any], real: Callable[[Any], Any], paths: int) -> Callable[..., Any]:
    """A function whose first arguments are paths."""

    @wraps(function, updated=())
    def mapped(*arguments: Any, **named: Any) -> Any:
        return function(*map(real, arguments[:paths]), *arguments[paths:], **named)

    return mapped
