"""Events that a crash or a power cut has left without their end."""

from datetime import datetime
from time import time

from relens.device.events.event import Event, Phase
from relens.device.events.log import EventLog
from relens.device.events.watch import Keep
from relens.errors import DeviceTrouble

LOOK_BACK = 200


def finish_unfinished(log: EventLog, keep: Keep) -> None:
    """End, now, what began and has not ended among the newest events; nothing where the log cannot be read."""
    ended: set[str] = set()
    try:
        entries = log.newest(LOOK_BACK)
    except DeviceTrouble:
        return
    for entry in entries:
        rule = str(entry.facts.get("event"))
        if rule not in ended and entry.facts.get("phase") == Phase.BEGAN.value:
            now_s = time()
            began_s = datetime.fromisoformat(entry.facts["at"]).timestamp()
            keep(Event(rule, Phase.ENDED, now_s, (), max(0.0, now_s - began_s)), None)
        ended.add(rule)
