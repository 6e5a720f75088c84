"""What a camera is."""

from typing import Protocol

from relens.vision import Frame


class Camera(Protocol):
    """A source of frames.

    live: frames come at their own pace, so one that nobody takes is lost; else each waits to be taken.
    """

    live: bool

    @property
    def waited_ms(self) -> float:
        """How much of the last `read` went by waiting for the frame's moment."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why no frames come at the moment, for a camera that is waited for; None while they come."""
        ...

    @property
    def lost(self) -> int:
        """How often it went away since it was opened first."""
        ...

    def open(self) -> None:
        """Get ready to read.

        Raises:
            DeviceTrouble: RL-CAMERA-001 or -002.
        """
        ...

    def read(self) -> Frame | None:
        """The next frame, (H, W, 3) uint8 BGR, the caller's to keep; None after the last, or when closed.

        Raises:
            DeviceTrouble: RL-CAMERA-003 when the camera gives no more.
        """
        ...

    def close(self) -> None:
        """Release it. Safe from any thread; ends a `read` that waits for its frame's moment."""
        ...

    def describe(self) -> str:
        """What it is, in one line, without passwords."""
        ...
