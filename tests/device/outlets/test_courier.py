"""Everything in the log arrives, in order, whatever the outlet does."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from relens.device.events.log import Entry, EventLog
from relens.device.outlets import Courier, Outlet, Receipt
from relens.errors import DeviceTrouble
from relens.spec.camera import KeepSettings

Starting = Callable[..., Courier]


class Friend:
    """An `Outlet` that does what the next of its `plans` says with each event, and takes it where there is none."""

    name = "friend"

    def __init__(self, plans: Sequence[str] = ()) -> None:
        self.plans = deque(plans)
        self.got: list[int] = []
        self.did: list[str] = []
        self.absent = False

    def open(self) -> None:
        self.did.append("open")
        if self.absent:
            raise away("nobody is there")

    def send(self, entries: Sequence[Entry]) -> Iterator[Receipt]:
        for entry in entries:
            plan = self.plans.popleft() if self.plans else "take"
            if plan == "away":
                raise away("it went")
            if plan == "break":
                raise KeyError("a mistake in a library")
            if plan == "refuse":
                yield Receipt(entry.number, DeviceTrouble("RL-OUTLET-002", "not this one", hint="none"))
                continue
            self.got.append(entry.number)
            if plan == "lose the receipt":
                raise away("it went right after")
            yield Receipt(entry.number)

    def close(self) -> None:
        self.did.append("close")


def away(why: str) -> DeviceTrouble:
    return DeviceTrouble("RL-OUTLET-001", why, hint="none")


@pytest.fixture
def deliver(log: EventLog) -> Iterator[Starting]:
    """A courier at work; takes its outlet and its options."""
    made: list[Courier] = []

    def start(outlet: Outlet, *arguments: Any, **options: Any) -> Courier:
        made.append(Courier(log, outlet, *arguments, **{"first_rest_s": 0.02, "longest_rest_s": 0.1} | options))
        made[-1].start()
        return made[-1]

    yield start
    for courier in made:
        courier.stop()


def fill(log: EventLog, count: int) -> None:
    for _ in range(count):
        assert log.append({"event": "x"})


def test_what_waits_and_what_comes_is_sent_in_order(log, deliver, until) -> None:
    fill(log, 3)
    outlet = Friend()
    courier = deliver(outlet)
    until(lambda: len(outlet.got) == 3)
    fill(log, 2)
    until(lambda: len(outlet.got) == 5)
    until(lambda: courier.status().waiting == 0)

    status = courier.status()
    assert outlet.got == [1, 2, 3, 4, 5]
    assert (status.outlet, status.sent, status.refused, status.lost, status.trouble) == ("friend", 5, 0, 0, None)
    assert outlet.did == ["open"]


def test_a_new_event_is_sent_at_once_when_the_courier_is_woken(log, deliver, until) -> None:
    outlet = Friend()
    courier = deliver(outlet)
    until(lambda: outlet.did)
    waits = []
    for number in range(1, 6):
        time.sleep(0.05)
        began_s = time.monotonic()
        fill(log, 1)
        courier.wake()
        until(lambda number=number: number in outlet.got)
        waits.append(time.monotonic() - began_s)
    assert sorted(waits)[2] < 0.3, waits


def test_an_idle_courier_hardly_computes(log, deliver, until) -> None:
    outlet = Friend()
    deliver(outlet)
    until(lambda: outlet.did)
    before_s = time.process_time()
    time.sleep(2)
    assert time.process_time() - before_s < 0.1


def test_an_outlet_that_comes_and_goes_gets_everything_in_order(log, deliver, until) -> None:
    fill(log, 50)
    plans = (["take"] * 3 + ["away"] + ["lose the receipt"] + ["break"] + ["take"]) * 8
    outlet, notes = Friend(plans), []
    courier = deliver(outlet, lambda event, **facts: notes.append((event, facts)))
    until(lambda: courier.status().waiting == 0)

    assert list(dict.fromkeys(outlet.got)) == list(range(1, 51))
    assert all(after >= before for before, after in zip(outlet.got, outlet.got[1:], strict=False))
    assert len(outlet.got) > 50, "it got some twice"
    assert (courier.status().sent, courier.status().lost) == (50, 0)
    until(lambda: courier.status().trouble is None)
    assert {event for event, _ in notes} == {"outlet away", "outlet back"}


def test_an_event_that_is_refused_is_counted_noted_and_passed(log, deliver, until) -> None:
    fill(log, 4)
    outlet, notes = Friend(["take", "refuse"]), []
    courier = deliver(outlet, lambda event, **facts: notes.append((event, facts)))
    until(lambda: courier.status().waiting == 0)

    assert outlet.got == [1, 3, 4]
    assert (courier.status().sent, courier.status().refused, courier.status().lost) == (3, 1, 0)
    ((event, facts),) = notes
    assert (event, facts["outlet"], facts["number"]) == ("event refused", "friend", 2)
    assert "RL-OUTLET-002" in facts["why"]


def test_an_absent_outlet_is_asked_less_and_less_often_and_its_trouble_is_shown(log, deliver, until) -> None:
    outlet, notes = Friend(), []
    outlet.absent = True
    courier = deliver(outlet, lambda event, **facts: notes.append(event), first_rest_s=0.05, longest_rest_s=0.4)
    time.sleep(2)
    tries = outlet.did.count("open")
    assert 4 <= tries <= 9, tries
    assert "RL-OUTLET-001: nobody is there" in str(courier.status().trouble)
    assert notes == ["outlet away"], "once, not for every try"

    outlet.absent = False
    fill(log, 1)
    until(lambda: outlet.got == [1])
    until(lambda: courier.status().trouble is None)
    assert notes == ["outlet away", "outlet back"]


def test_the_next_courier_goes_on_where_this_one_ended(log, deliver, until) -> None:
    fill(log, 3)
    first = Friend()
    courier = deliver(first)
    until(lambda: courier.status().waiting == 0)
    courier.stop()
    fill(log, 2)
    second = Friend()
    deliver(second)
    until(lambda: second.got == [4, 5])
    assert first.did == ["open", "close"]


def test_a_slow_outlet_does_not_hold_up_another(log, deliver, until) -> None:
    slow, fast = Friend(["away"] * 1000), Friend()
    fast.name = "fast"
    deliver(slow)
    deliver(fast)
    fill(log, 20)
    until(lambda: len(fast.got) == 20)
    assert slow.got == []


def test_stopping_does_not_wait_for_the_next_try(log, deliver) -> None:
    outlet = Friend()
    outlet.absent = True
    courier = deliver(outlet, first_rest_s=30, longest_rest_s=30)
    began_s = time.monotonic()
    courier.stop()
    assert time.monotonic() - began_s < 2


def test_a_log_in_use_by_somebody_else_holds_nothing_up_and_is_told_later(log, deliver, until, tmp_path) -> None:
    fill(log, 2)
    log.reached("friend")
    other = sqlite3.connect(tmp_path / "events/0.events", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outlet = Friend()
    courier = deliver(outlet)
    until(lambda: outlet.got == [1, 2])
    time.sleep(2.5)
    assert (courier.status().waiting, courier.status().trouble) == (2, None)
    other.execute("ROLLBACK")
    other.close()
    until(lambda: courier.status().waiting == 0)
    fill(log, 1)
    until(lambda: courier.status().waiting == 0)
    assert (outlet.got, outlet.did, courier.status().lost) == ([1, 2, 3], ["open"], 0)


def test_what_was_dropped_before_an_outlet_came_back_is_told_as_lost(tmp_path, until) -> None:
    log = EventLog(tmp_path / "small", KeepSettings(max_mb=1))
    outlet = Friend()
    outlet.absent = True
    courier = Courier(log, outlet, first_rest_s=0.02, longest_rest_s=0.05)
    courier.start()
    try:
        until(lambda: outlet.did)
        log.reached("friend")
        for _ in range(50):
            log.append({"event": "x"}, bytes(60_000))
        first = log.after(0)[0].number
        assert courier.status().lost == first - 1 > 0
        outlet.absent = False
        until(lambda: courier.status().waiting == 0)
    finally:
        courier.stop()
        lost = courier.status().lost
        log.close()
    assert (outlet.got, lost) == (list(range(first, 51)), first - 1)


def test_all_outlets_and_the_friend_are_outlets() -> None:
    from relens.device.outlets.lines import Lines
    from relens.device.outlets.mqtt import Mqtt
    from relens.device.outlets.webhook import Webhook

    wanted = {name for name in vars(Outlet) if not name.startswith("_")}
    assert wanted == {"name", "open", "send", "close"}
    for kind in (Friend, Lines, Mqtt, Webhook):
        assert wanted <= set(dir(kind)), kind
        for name in wanted - {"name"}:
            of_protocol, own = getattr(Outlet, name).__code__, getattr(kind, name).__code__
            assert own.co_varnames[: own.co_argcount] == of_protocol.co_varnames[: of_protocol.co_argcount]


def test_no_courier_is_left() -> None:
    assert not [one for one in threading.enumerate() if one.name.startswith("relens-courier")]
