"""What is told of a camera from afar: the same words whoever carried its bundle."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from time import time
from typing import Any

from pydantic import TypeAdapter

from relens.device.agent.store import ACCEPTED, PULSE, Store

EMPTY, ACTIVE, CONFIRMED, AWAY = "empty", "active", "confirmed", "away"
FRESH_S = 30.0
STANDS = ("active", "confirmed", "rolled back")
ENDS = {"camera back": "camera lost", "repository back": "repository away", "outlet back": "outlet away"}
TROUBLES = ("bad", "ended", "refused", "no live page", "event log set aside", *ENDS.values())


@dataclass(frozen=True)
class CameraStatus:
    """One camera.

    bundle, name: what runs, by the first 12 digits of its SHA-256 and by its name. stage: `confirmed`, `active` (on
    trial), `empty`, or `away` when nothing is heard of the camera. since: since when, ISO 8601 in UTC.
    frames_per_s: of late. engine: what infers. trouble: the last error and when it was, or why nothing is heard.
    channel: what it follows in a repository, or None. bad: what has failed there, by id, and why.
    """

    camera: str
    stage: str
    bundle: str | None = None
    name: str = ""
    since: str | None = None
    frames_per_s: float | None = None
    engine: str = ""
    trouble: str | None = None
    channel: str | None = None
    bad: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CameraStatus":
        """What `to_json` gave; what a newer camera says beside it is passed over.

        Raises:
            ValueError: it says something else.
        """
        known = {key: value for key, value in values.items() if key in cls.__dataclass_fields__}
        return _reader().validate_python(known)


@cache
def _reader() -> TypeAdapter[CameraStatus]:
    """Made once: a fleet tells thousands of them."""
    return TypeAdapter(CameraStatus)


def camera_status(store: Store, camera: str) -> CameraStatus:
    """Read it from the camera's disk.

    Args:
        store: the disk.
        camera: what it is called.
    """
    standing, stored = store.standing(), store.stored()
    bad = {one.id: one.bad for one in stored.values() if one.bad is not None}
    since, trouble = _history(store, standing.active)
    channel = _channel(store)
    if standing.active is None:
        return CameraStatus(camera, EMPTY, since=since, trouble=trouble, channel=channel, bad=bad)
    accepted = store.facts(standing.active, ACCEPTED) or {}
    pulse = store.facts(standing.active, PULSE) or {}
    return CameraStatus(
        camera,
        ACTIVE if standing.on_trial else CONFIRMED,
        standing.active,
        accepted.get("name", ""),
        since,
        pulse.get("frames_per_s") if time() - pulse.get("at_s", 0.0) < FRESH_S else None,
        accepted.get("engine", ""),
        trouble,
        channel,
        bad,
    )


def _channel(store: Store) -> str | None:
    """Read without what checks signatures: the file is the camera's own."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(store.follows.read_bytes())["channel"])
    return None


def _history(store: Store, active: str | None) -> tuple[str | None, str | None]:
    """Since when it stands as it does, and the last error unless it has passed."""
    since, trouble, kind, passed = None, None, None, set()
    for fact in store.journal.newest_first():
        event, at = fact.get("event", ""), fact.get("at", "")
        if event in STANDS and fact.get("active") == active:
            since = since or at
        elif event in TROUBLES and kind is None:
            kind = event
            if kind not in passed:
                trouble = f"{at[:16].replace('T', ' ')} {event}: {fact.get('why', '')}"
        elif event in ENDS:
            passed.add(ENDS[event])
        if since and kind:
            break
    return since, trouble
