"""What a camera holds, for people and machines."""

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from relens.device.agent.standing import Standing
from relens.device.agent.status import CameraStatus, camera_status
from relens.device.agent.store import ACCEPTED, Store, Stored
from relens.device.events.log import EventLog
from relens.errors import DeviceTrouble
from relens.spec import KeepSettings


class Stage(str, Enum):
    """How far a bundle has come on a camera."""

    VERIFIED = "verified"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    CONFIRMED = "confirmed"
    KEPT = "kept"
    BAD = "bad"


MEANS = {
    Stage.VERIFIED: "whole; its golden frames were not run here yet",
    Stage.ACCEPTED: "its golden frames hold here; it does not run",
    Stage.ACTIVE: "runs, on trial",
    Stage.CONFIRMED: "runs, and has proven itself",
    Stage.KEPT: "proved itself earlier; a rollback goes there",
}


@dataclass(frozen=True)
class Line:
    """One bundle. note: what its stage means, or why it is bad."""

    id: str
    name: str
    stage: Stage
    note: str


@dataclass(frozen=True)
class OutletLine:
    """Somebody who is told of events. waiting: events it has yet to get; lost: those it never will; away: why it could
    not be reached when that was last noted, or None.
    """

    outlet: str
    waiting: int
    lost: int
    away: str | None

    def __str__(self) -> str:
        away = f"; away: {self.away}" if self.away else ""
        return f"{self.outlet}: {self.waiting} events waiting, {self.lost} lost{away}"


@dataclass(frozen=True, repr=False)
class Overview:
    """What runs and how, what it would go back to, every bundle here, and who is told of events."""

    standing: Standing
    status: CameraStatus
    bundles: tuple[Line, ...]
    outlets: tuple[OutletLine, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **vars(self.standing),
            "fallback": self.standing.fallback,
            "status": self.status.to_json(),
            "bundles": [vars(line) for line in self.bundles],
            "outlets": [vars(line) for line in self.outlets],
        }

    def __repr__(self) -> str:
        lines = [f"{one.id}  {one.stage.value:9}  {one.name}  ({one.note})" for one in self.bundles]
        lines = lines or ["no bundle on this camera yet: relens device install NAME.relens"]
        return "\n".join([*lines, *self._running(), *map(str, self.outlets)])

    def _running(self) -> Iterator[str]:
        if self.status.frames_per_s is not None:
            yield f"{self.status.frames_per_s:.1f} frames/s on {self.status.engine}"
        if self.status.trouble:
            yield f"last trouble: {self.status.trouble}"


def overview(store: Store) -> Overview:
    """Read it from the disk."""
    standing = store.standing()
    order = {stage: place for place, stage in enumerate((Stage.CONFIRMED, Stage.ACTIVE, Stage.KEPT))}
    lines = [_line(store, standing, stored) for stored in store.stored().values()]
    lines.sort(key=lambda line: (order.get(line.stage, 9), line.id))
    return Overview(standing, camera_status(store, socket.gethostname()), tuple(lines), tuple(_outlets(store)))


def _outlets(store: Store) -> Iterator[OutletLine]:
    """None where the log cannot be read: who reads events is told why."""
    log = EventLog(store.events, KeepSettings())
    with closing(log), suppress(DeviceTrouble):
        names = log.outlets()
        if not names:  # the journal may be long
            return
        notes = [fact for fact in store.journal if fact.get("event") in ("outlet away", "outlet back")]
        last = {fact.get("outlet"): fact for fact in notes}
        for name in names:
            yield OutletLine(name, log.waiting(name), log.lost(name), last.get(name, {}).get("why"))


def _line(store: Store, standing: Standing, stored: Stored) -> Line:
    stage = _stage(standing, stored)
    name = (store.facts(stored.id, ACCEPTED) or {}).get("name", "")
    return Line(stored.id, name, stage, stored.bad or MEANS[stage])


def _stage(standing: Standing, stored: Stored) -> Stage:
    if stored.bad is not None:
        return Stage.BAD
    if stored.id == standing.active:
        return Stage.ACTIVE if standing.on_trial else Stage.CONFIRMED
    if stored.id in standing.needed:
        return Stage.KEPT
    return Stage.ACCEPTED if stored.accepted else Stage.VERIFIED
