"""Between whoever brings a bundle and the agent that runs the camera: a file goes in, whole, and an answer comes out.

inbox/NAME.relens   put there by rename; gone once the agent has dealt with it
inbox/NAME.answer   what became of it, for whoever waits
"""

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep, time

from relens.errors import BadBundle, BadModel, DeviceTrouble, EngineTrouble, RelensError
from relens.files import write_whole

BUNDLES = "*.relens"
LOOK_S, FORGET_S = 0.1, 3600.0
KINDS: dict[str, type[RelensError]] = {
    "RL-BUNDLE": BadBundle,
    "RL-GRAPH": BadModel,
    "RL-ENGINE": EngineTrouble,
}
"""What a code means to a caller in Python; every other one is `DeviceTrouble`."""


@dataclass(frozen=True)
class Answer:
    """What became of a bundle: the id it was installed as, or why not."""

    installed: str | None = None
    code: str = ""
    message: str = ""
    hint: str = ""

    @classmethod
    def refusing(cls, trouble: RelensError) -> "Answer":
        """Why not."""
        return cls(None, **trouble.to_json())

    def bundle(self) -> str:
        """The id.

        Raises:
            RelensError: why it was not installed, as the agent met it.
        """
        if self.installed is None:
            raise KINDS.get(self.code.rpartition("-")[0], DeviceTrouble)(self.code, self.message, hint=self.hint)
        return self.installed


class Inbox:
    """Both sides of it.

    Args:
        folder: on the camera's disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> Path:
        """Put a bundle there.

        Raises:
            DeviceTrouble: RL-DEVICE-004 when there is no room; nothing of it is left.
        """
        file = self.folder / f"{secrets.token_hex(6)}.relens"
        try:
            write_whole(file, [content])
        except OSError as trouble:
            raise DeviceTrouble(
                "RL-DEVICE-004",
                f"{self.folder} does not take a bundle: {trouble.strerror or trouble}",
                hint="make room on the camera's disk; what runs goes on running",
            ) from None
        return file

    def waiting(self) -> list[Path]:
        """The bundles to be dealt with, by name."""
        return sorted(self.folder.glob(BUNDLES))

    def answer(self, file: Path, answer: Answer) -> None:
        """Say what became of one, and let it go; on a full disk nobody is told."""
        with suppress(OSError):
            write_whole(file.with_suffix(".answer"), [json.dumps(asdict(answer)).encode()])
        file.unlink(missing_ok=True)

    def take_back(self, file: Path) -> bool:
        """Take one out again; False when the agent has dealt with it."""
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        return True

    def hear(self, file: Path, seconds: float) -> Answer | None:
        """What became of one, told once; None when nothing is heard for so long."""
        answer, end_s = file.with_suffix(".answer"), monotonic() + seconds
        while not answer.exists():
            if monotonic() > end_s:
                return None
            sleep(LOOK_S)
        found = Answer(**json.loads(answer.read_bytes()))
        answer.unlink(missing_ok=True)
        return found

    def sweep(self) -> None:
        """Drop answers nobody has read, and what was never wholly put, after an hour."""
        for left in (*self.folder.glob("*.answer"), *self.folder.glob(".*")):
            with suppress(FileNotFoundError):
                if time() - left.stat().st_mtime > FORGET_S:
                    left.unlink()
