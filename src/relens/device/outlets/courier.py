"""One thread an outlet: from the log, in order, until it has arrived."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

from relens.device.events.log import EventLog
from relens.device.outlets.outlet import Outlet, Receipt
from relens.errors import DeviceTrouble

logger = logging.getLogger("relens.device")

BATCH = 200
LOOK_S = 1.0
ADVANCE_S = 0.2
"""How often the log is told how far the outlet has come: what was sent since goes once more after a power cut."""

STOP_S = 30.0
FIRST_REST_S, LONGEST_REST_S = 0.5, 60.0


@dataclass(frozen=True)
class CourierStatus:
    """Where an outlet stands.

    sent, refused: events since the start. waiting: events it has yet to get. lost: events that it never will, over the
    log's life: they were dropped before their turn. trouble: why it is away; None while it is there.
    """

    outlet: str
    sent: int
    refused: int
    waiting: int
    lost: int
    trouble: str | None


class Courier:
    """Delivers a log to an outlet: everything once at least, in order; duplicates carry the same number.

    What is not receipted is sent again, after half a second and then twice as long each time, up to a minute, for as
    long as the log keeps it. An event that the outlet refuses for good is counted, noted and passed.

    Args:
        log: read, and told how far the outlet has come.
        outlet: used by this courier's thread only.
        note: told what happens, with its facts: `Journal.note`.
        first_rest_s, longest_rest_s: between two attempts to reach an outlet that is away.
    """

    def __init__(
        self,
        log: EventLog,
        outlet: Outlet,
        note: Callable[..., None] = lambda event, **facts: None,
        *,
        first_rest_s: float = FIRST_REST_S,
        longest_rest_s: float = LONGEST_REST_S,
    ) -> None:
        self._log, self._outlet, self._note = log, outlet, note
        self._first_rest_s, self._longest_rest_s = first_rest_s, longest_rest_s
        self._rest_s = first_rest_s
        self._sent = self._refused = 0
        self._receipts, self._number, self._advanced_s = 0, 0, monotonic()
        self._trouble: str | None = None
        self._stopping, self._woken = Event(), Event()
        # A daemon: a server that dribbles its answer must not keep the agent from ending.
        self._thread = Thread(target=self._run, name=f"relens-courier-{outlet.name}", daemon=True)

    def start(self) -> None:
        """From now on."""
        self._thread.start()

    def wake(self) -> None:
        """There is a new event: without being told so it is seen within a second."""
        self._woken.set()

    def stop(self) -> None:
        """End; what is on its way is finished, or sent again by the next courier. Waits half a minute at most."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(STOP_S)

    def status(self) -> CourierStatus:
        """Where the outlet stands.

        Raises:
            DeviceTrouble: RL-DEVICE-004 when the log cannot be read.
        """
        name = self._outlet.name
        waiting, lost = self._log.waiting(name), self._log.lost(name)
        return CourierStatus(name, self._sent, self._refused, waiting, lost, self._trouble)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._outlet.open()
                self._serve()
            except Exception as trouble:  # an outlet's library may throw anything: this thread has to go on
                self._troubled(trouble)
            finally:
                self._advance()
                self._outlet.close()
            self._stopping.wait(self._rest_s)
            self._rest_s = min(2 * self._rest_s, self._longest_rest_s)

    def _serve(self) -> None:
        """While it is there."""
        while not self._stopping.is_set():
            self._woken.clear()  # before looking: what comes meanwhile wakes again
            reached = self._number if self._receipts else self._log.reached(self._outlet.name)
            entries = self._log.after(reached, BATCH)
            for receipt in self._outlet.send(entries):
                self._receipted(receipt)
                if self._stopping.is_set():
                    return
            self._advance()
            self._reached()
            if len(entries) < BATCH:
                self._woken.wait(LOOK_S)

    def _receipted(self, receipt: Receipt) -> None:
        self._receipts, self._number = self._receipts + 1, receipt.number
        if monotonic() - self._advanced_s >= ADVANCE_S:
            self._advance()
        if receipt.refusal is None:
            self._sent += 1
        else:
            self._refused += 1
            self._note("event refused", outlet=self._outlet.name, number=receipt.number, why=str(receipt.refusal))
        self._rest_s = self._first_rest_s

    def _advance(self) -> None:
        """Tell the log; where it is in use for too long it is told with the next ones."""
        if self._receipts:
            with suppress(DeviceTrouble):
                self._log.advance(self._outlet.name, self._number, self._receipts)
                self._receipts = 0
        self._advanced_s = monotonic()

    def _reached(self) -> None:
        if self._trouble is not None:
            self._note("outlet back", outlet=self._outlet.name)
            self._trouble = None
        self._rest_s = self._first_rest_s

    def _troubled(self, trouble: Exception) -> None:
        """Note the first of a row."""
        before, self._trouble = self._trouble, str(trouble) if isinstance(trouble, DeviceTrouble) else repr(trouble)
        if before is None:
            self._note("outlet away", outlet=self._outlet.name, why=self._trouble)
            if not isinstance(trouble, DeviceTrouble):
                logger.warning("outlet %s: %r", self._outlet.name, trouble, exc_info=trouble)
