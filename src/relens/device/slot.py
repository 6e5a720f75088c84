"""The hand-over between two threads that holds one value: the newest."""

from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """One writer, one reader. A value is never None.

    Args:
        lossless: `put` waits until the value before is taken; otherwise it replaces it, and counts it as dropped.
    """

    def __init__(self, *, lossless: bool = False) -> None:
        self.lossless = lossless
        self.dropped = 0
        self._value: T | None = None
        self._closed = False
        self._changed = Condition()

    def put(self, value: T) -> bool:
        """Hand over a value; False when the slot is closed and the value went nowhere."""
        with self._changed:
            if self.lossless:
                self._changed.wait_for(lambda: self._value is None or self._closed)
            if self._closed:
                return False
            self.dropped += self._value is not None
            self._value = value
            self._changed.notify_all()
            return True

    def take(self) -> T | None:
        """Wait for a value; None when the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._closed)
            value, self._value = self._value, None
            self._changed.notify_all()
            return value

    def close(self) -> None:
        """Refuse further values and wake both sides. The last value can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take until the slot is closed and empty."""
        while (value := self.take()) is not None:
            yield value
