"""The child's end of the line to its parent: frames and models come over it, what the function says goes over it.

A line is one JSON object. Most are told; `frame` and `model` are asked, and each has one answer. Pixels do not go over
the line: the parent puts a frame into memory that both have, and the answer says how large it is.
"""

import base64
import json
import mmap
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread, current_thread
from typing import IO, Any, NoReturn
from weakref import WeakSet

import numpy as np

from relens.errors import LegacyTrouble, RelensError
from relens.vision import Frame

LONGEST_PAYLOAD = 4 << 20
"""Of what is published, in bytes: over MQTT it is 128 KB at most on AWS."""

WRITTEN: "WeakSet[IO[Any]]" = WeakSet()
"""Files that the function writes. It never comes to close them when it is ended while it waits for a frame."""

FLUSH_S = 1.0


class Link:
    """The line of this process.

    Args:
        line: a connected stream socket.
        memory: the descriptor of the memory that frames come in.
        models: the folder of models, as `/opt/awscam/artifacts` shows it.
        folder: the run's folder, where files may be written.
    """

    def __init__(self, line: socket.socket, memory: int, models: Path, folder: Path) -> None:
        self.models, self.folder = models, folder
        self.frames = 0
        self._line, self._memory = line, memory
        self._answers = line.makefile("rb")
        self._pixels: mmap.mmap | None = None
        self._telling, self._asking = Lock(), Lock()
        self._told: set[str] = set()
        self.showing: WeakSet[Thread] = WeakSet()
        """Threads that have opened a pipe to write pictures into it: they go on for ever, and do nothing else."""
        self.working: WeakSet[Thread] = WeakSet()
        """Threads that have taken a frame."""

    @property
    def waits(self) -> bool:
        """Whether somebody waits for a frame or a model, which may be long in coming."""
        return self._asking.locked()

    def tell(self, kind: str, **values: Any) -> None:
        """Send a message that has no answer."""
        line = json.dumps({"kind": kind, **values}).encode() + b"\n"
        with self._telling:
            try:
                self._line.sendall(line)
            except OSError:  # the parent has gone
                leave()

    def ask(self, kind: str, **values: Any) -> dict[str, Any]:
        """Send a message and wait for its answer; ends this process when the run is over.

        Raises:
            LegacyTrouble: with whatever code the parent has for it.
        """
        self.showing.discard(current_thread())
        with self._asking:
            self.tell(kind, **values)
            answer = json.loads(self._answers.readline() or b'{"over": true}')
        if answer.get("over"):
            leave()
        if trouble := answer.get("trouble"):
            raise LegacyTrouble(trouble["code"], trouble["message"], hint=trouble["hint"])
        return dict(answer)

    def frame(self) -> Frame:
        """The camera's newest frame that was not given yet, (H, W, 3) uint8 BGR, the caller's to draw on."""
        self.showing.discard(current_thread())
        self.working.add(current_thread())
        with self._asking:
            self.tell("frame")
            answer = json.loads(self._answers.readline() or b'{"over": true}')
            if answer.get("over"):
                leave()
            height, width = answer["height"], answer["width"]
            size = height * width * 3
            if self._pixels is None or len(self._pixels) < size:
                self._pixels = mmap.mmap(self._memory, os.fstat(self._memory).st_size, prot=mmap.PROT_READ)
            frame = np.frombuffer(self._pixels, np.uint8, size).reshape(height, width, 3).copy()
        self.frames += 1
        return frame

    def publish(self, topic: str, payload: str | bytes) -> None:
        """Hand over a message for the broker."""
        content = payload.encode() if isinstance(payload, str) else bytes(payload)
        if len(content) > LONGEST_PAYLOAD:
            raise LegacyTrouble(
                "RL-LEGACY-011",
                f"the function publishes {len(content) / 1e6:.0f} MB at once to {topic}",
                hint="AWS IoT took 128 KB, and here it is 4 MB: let it publish less",
            )
        self.tell("publish", topic=topic, payload=base64.b64encode(content).decode())

    def warn(self, text: str) -> None:
        """Something the user should know; said once, however often it comes."""
        if text not in self._told:
            self._told.add(text)
            self.tell("warning", text=text)

    def trouble(self, trouble: RelensError) -> None:
        """Something that went wrong, which the function may catch and hide; told once."""
        if trouble.message not in self._told:
            self._told.add(trouble.message)
            self.tell("trouble", **trouble.to_json())


_link: Link | None = None


def connect(link: Link) -> None:
    """Make a line that of this process."""
    global _link  # noqa: PLW0603  the function's modules find it here: their calls carry nothing of ours
    _link = link


def current() -> Link:
    """The line of this process.

    Raises:
        LegacyTrouble: RL-LEGACY-011, this process is not one that `relens legacy run` started.
    """
    if _link is None:
        raise LegacyTrouble(
            "RL-LEGACY-011",
            "awscam has no camera in this process",
            hint="relens legacy run FUNCTION --models DIR --camera 0",
        )
    return _link


def leave(code: int = 0) -> NoReturn:
    """End this process at once, whatever threads the function has left running."""
    # In a thread, for somebody may be in the middle of writing to one of them.
    flushing = Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSH_S)
    os._exit(code)


def _flush() -> None:
    for file in (sys.stdout, sys.stderr, *WRITTEN):
        with suppress(OSError, ValueError, RuntimeError):
            file.flush()
