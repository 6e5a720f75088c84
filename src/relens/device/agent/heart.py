"""What systemd is told, where it runs the agent: ready, alive, and what it does (sd_notify(3))."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic

EVERY_S = 5.0


class Heart:
    """Beats when frames are processed, or when there is a known reason why there are none.

    The first beat says that the service is ready. When none comes for `WatchdogSec=`, systemd starts it anew. Does
    nothing where nobody listens.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET")
        self._said: str | None = None

    def beat(self, status: str) -> None:
        """Alive. status: what `systemctl status` shows, in one line."""
        lines = ["WATCHDOG=1"]
        if status != self._said:
            lines += [f"STATUS={status}", *(["READY=1"] if self._said is None else [])]
            self._said = status
        self._tell("\n".join(lines))

    def stop(self) -> None:
        """It ends because it was asked to."""
        self._tell("STOPPING=1")

    @contextmanager
    def beating(self, status: str, most_s: float) -> Iterator[None]:
        """Beat meanwhile, through work that may take long, but no longer than so."""
        done, end_s = Event(), monotonic() + most_s

        def beat() -> None:
            while monotonic() < end_s:
                self.beat(status)
                if done.wait(EVERY_S):
                    return

        thread = Thread(target=beat, name="relens-heart")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _tell(self, text: str) -> None:
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.sendto(text.encode(), address)
