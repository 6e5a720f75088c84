"""What is in the log stays in it, whatever ends the processes that write it, until it is its turn to go."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relens.device.events.database import NUMBERS, WAL_BYTES
from relens.device.events.log import EventLog
from relens.errors import DeviceTrouble
from relens.spec.camera import KeepSettings

DAY_S = 86400

APPEND = """
import sys
from pathlib import Path
from relens.device.events.log import EventLog
from relens.spec.camera import KeepSettings
log = EventLog(Path(sys.argv[1]), KeepSettings())
for turn in range(int(sys.argv[3])):
    print(log.append({"event": "x", "writer": sys.argv[2], "turn": turn}, bytes(3000)), flush=True)
"""


def appending(folder: Path, writer: str, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPEND, str(folder), writer, str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def make_log(tmp_path: Path) -> Iterator[Callable[..., EventLog]]:
    """A log in `tmp_path / "events"`; takes values of `[keep]`, and `told`."""
    made: list[EventLog] = []

    def make(told: Callable[[str], None] = lambda line: None, **keep: float) -> EventLog:
        made.append(EventLog(tmp_path / "events", KeepSettings(**keep), told))
        return made[-1]

    yield make
    for log in made:
        log.close()


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if not file.name.endswith("-shm"))


def test_events_come_back_in_order_with_their_pictures(make_log) -> None:
    log = make_log()
    numbers = [log.append({"event": name}, jpeg) for name, jpeg in (("a", b"A"), ("b", None), ("c", b"C"))]

    assert numbers == [1, 2, 3]
    assert [(one.number, one.facts, one.has_picture, one.picture()) for one in log.after(1)] == [
        (2, {"event": "b"}, False, None),
        (3, {"event": "c"}, True, b"C"),
    ]
    assert [one.number for one in log.newest(2)] == [3, 2]
    assert [one.number for one in log.after(0, limit=2)] == [1, 2]
    assert (log.picture(1), log.picture(4)) == (b"A", None)


def test_two_processes_write_at_once_and_a_third_reads(make_log, tmp_path) -> None:
    writers = [appending(tmp_path / "events", name, 150) for name in "ab"]
    log, seen = make_log(), []
    while len(seen) < 300 and any(one.poll() is None for one in writers):
        seen += [(one.number, one.facts) for one in log.after(seen[-1][0] if seen else 0)]
    told = [[int(line) for line in one.communicate()[0].split()] for one in writers]
    seen += [(one.number, one.facts) for one in log.after(seen[-1][0], 1000)]

    assert sorted(told[0] + told[1]) == [number for number, _ in seen] == list(range(1, 301))
    for name in "ab":
        assert [facts["turn"] for _, facts in seen if facts["writer"] == name] == list(range(150))


def test_what_was_appended_outlasts_kill_9_in_the_middle_of_appends(make_log, tmp_path) -> None:
    told: list[int] = []
    for life in range(12):
        writer = appending(tmp_path / "events", str(life), 100_000)
        assert writer.stdout is not None
        told.append(int(writer.stdout.readline()))
        time.sleep(random.uniform(0, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        told += [int(line) for line in writer.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]

    log = make_log()
    there = [one.number for one in log.after(0, 1_000_000)]
    assert len(set(told)) == len(told), "a number was given twice"
    assert set(told) <= set(there)
    assert there == list(range(1, len(there) + 1))
    assert len(there) - len(told) <= 12, "more than the one that each kill interrupted"
    file = tmp_path / "events/0.events"
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_the_oldest_go_so_that_the_file_never_grows_beyond_its_bound(make_log, tmp_path) -> None:
    log, largest = make_log(max_mb=2), 0
    for turn in range(200):
        size = random.Random(turn).randrange(1, 120_000)
        assert log.append({"event": "x", "turn": turn}, os.urandom(size)) == turn + 1
        largest = max(largest, bytes_in(tmp_path / "events"))
        assert (tmp_path / "events/0.events").stat().st_size <= 2e6

    kept = [one.number for one in log.after(0, 1000)]
    assert kept == list(range(kept[0], 201))
    assert sum(len(one.picture()) for one in log.after(0, 1000)) > 1.5e6
    assert largest <= 2e6 + WAL_BYTES + 200_000, f"{largest} bytes"


def test_small_events_are_bounded_too(make_log, tmp_path) -> None:
    log = make_log(max_mb=1)
    for turn in range(4000):
        assert log.append({"event": "x", "turn": turn, "things": ["x" * 300]})
    assert (tmp_path / "events/0.events").stat().st_size <= 1e6
    assert len(log.after(0, 10_000)) > 1500


def test_less_to_keep_gives_room_back_to_the_disk(make_log, tmp_path) -> None:
    log = make_log(max_mb=8)
    for _ in range(100):
        log.append({"event": "x"}, os.urandom(60_000))
    log.close()
    log = make_log(max_mb=2)
    log.prune()
    log.close()
    assert (tmp_path / "events/0.events").stat().st_size <= 2e6
    assert log.newest(1)[0].number == 100


def test_an_event_larger_than_half_of_the_log_is_refused_and_nothing_goes_for_it(make_log) -> None:
    log = make_log(max_mb=1)
    log.append({"event": "small"})
    assert log.append({"event": "large"}, bytes(600_000)) is None
    assert (log.refused, [one.facts["event"] for one in log.after(0)]) == (1, ["small"])


def test_what_is_too_old_goes_and_numbers_are_not_used_again(make_log, monkeypatch) -> None:
    log, now_s = make_log(max_days=30), time.time()
    monkeypatch.setattr(time, "time", lambda: now_s - 31 * DAY_S)
    log.append({"event": "old"})
    log.append({"event": "old"})
    monkeypatch.undo()
    log.prune()
    assert log.after(0) == []
    log.close()
    assert make_log(max_days=30).append({"event": "new"}) == 3


def test_events_from_before_the_clock_was_set_are_not_taken_for_old_ones(make_log, monkeypatch) -> None:
    log, now_s = make_log(max_days=30), time.time()
    monkeypatch.setattr(time, "time", lambda: 100.0)
    log.append({"event": "at boot"})
    monkeypatch.setattr(time, "time", lambda: now_s)
    log.append({"event": "later"})
    log.prune()
    assert [one.number for one in log.after(0)] == [1, 2]
    monkeypatch.setattr(time, "time", lambda: now_s + 31 * DAY_S)
    log.prune()
    assert log.after(0) == []
    monkeypatch.undo()


def test_every_outlet_has_a_cursor_that_outlasts_the_process(make_log) -> None:
    log = make_log()
    for _ in range(5):
        log.append({"event": "x"})
    assert (log.reached("mqtt"), log.waiting("mqtt"), log.lost("mqtt")) == (0, 5, 0)
    log.advance("mqtt", 1)
    log.advance("mqtt", 2)
    log.advance("mqtt", 1)
    log.close()
    again = make_log()
    assert (again.reached("mqtt"), again.waiting("mqtt"), again.lost("mqtt")) == (2, 3, 0)
    assert again.reached("webhook") == 0


def test_what_was_dropped_before_its_turn_is_counted_as_lost(make_log) -> None:
    log = make_log(max_mb=1)
    log.append({"event": "x"})
    log.reached("slow")
    log.advance("slow", 1)
    log.reached("fast")
    for number in range(2, 101):
        log.append({"event": "x"}, os.urandom(50_000))
        log.advance("fast", number)
    first = log.after(0)[0].number

    assert log.lost("slow") == first - 2
    assert log.lost("fast") == 1, "it never got the first one"
    assert log.reached("new") == first - 1
    assert log.lost("new") == 0
    for entry in log.after(log.reached("slow")):
        log.advance("slow", entry.number)
    log.close()
    assert (make_log(max_mb=1).lost("slow"), log.waiting("slow")) == (first - 2, 0)


def test_an_event_that_arrives_while_it_is_dropped_is_not_lost(make_log) -> None:
    log = make_log(max_mb=1)
    log.append({"event": "x"})
    log.reached("mqtt")
    (entry,) = log.after(0)
    for _ in range(30):
        log.append({"event": "x"}, os.urandom(50_000))
    before = log.lost("mqtt")
    log.advance("mqtt", entry.number)
    assert (before - log.lost("mqtt"), entry.picture()) == (1, None)


def test_a_full_disk_refuses_and_counts_and_goes_on_when_there_is_room(make_log, tmp_path) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=False).returncode
    ):
        pytest.skip("a small disk can be mounted by root only")
    try:
        log = make_log()
        assert log.append({"event": "x"}) == 1
        (folder / "somebody else's").write_bytes(bytes(800_000))
        given = [log.append({"event": "x"}, os.urandom(30_000)) for _ in range(60)]
        assert None in given
        assert (log.refused, log.after(0)[0].number) == (given.count(None), 1)
        (folder / "somebody else's").unlink()
        assert log.append({"event": "room"}) == len([one for one in given if one]) + 2
        log.close()
        assert make_log().refused == given.count(None), "it is written once it can be"
        log.close()
        make_log().close()
    finally:
        make_log().close()
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_limit_that_cuts_writes_short_leaves_a_whole_log(make_log, tmp_path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))\n" + APPEND
    command = [sys.executable, "-c", limited, str(tmp_path / "events"), "a", "400"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert "None" in told
    given = [int(number) for number in told if number != "None"]
    assert [one.number for one in make_log().after(0, 1000)] == given


def test_a_folder_that_cannot_be_used_refuses_events_and_says_so_to_readers(tmp_path) -> None:
    (tmp_path / "file").touch()
    log = EventLog(tmp_path / "file/events", KeepSettings())
    assert log.append({"event": "x"}) is None
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-004"):
        log.after(0)


@pytest.mark.parametrize("damage", [b"garbage" * 5000, b"", b"SQLite format 3\x00" + bytes(4080)], ids=str)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(make_log, tmp_path, damage) -> None:
    log = make_log()
    log.append({"event": "before"})
    log.close()
    (tmp_path / "events/0.events").write_bytes(damage)
    told: list[str] = []

    number = make_log(told.append).append({"event": "after"})

    assert number == NUMBERS + 1
    assert len(told) == 1
    assert "set aside as 0.damaged" in told[0]
    assert (tmp_path / "events/0.damaged").read_bytes() == damage
    assert [one.facts["event"] for one in make_log().after(0)] == ["after"]


def test_damage_under_a_running_process_is_noticed_and_other_processes_follow(make_log, tmp_path) -> None:
    told: list[str] = []
    writer, reader = make_log(told.append), make_log(told.append)
    for turn in range(50):
        writer.append({"event": "x", "turn": turn}, bytes(50_000))
    reader.reached("mqtt")
    writer.close()
    reader.close()
    assert len(reader.after(0)) == 50
    with (tmp_path / "events/0.events").open("r+b") as file:
        file.write(os.urandom(1_000_000))

    assert writer.append({"event": "after"}) == NUMBERS + 1
    assert [(one.number, one.facts["event"]) for one in reader.after(0)] == [(NUMBERS + 1, "after")]
    assert (reader.reached("mqtt"), reader.lost("mqtt")) == (NUMBERS, 0)
    assert len(told) == 1
    reader.close()  # must not take the new file's write-ahead log with it
    writer.append({"event": "more"})
    assert len(make_log().after(0)) == 2


def test_a_log_of_another_version_is_set_aside_too(make_log, tmp_path) -> None:
    log = make_log()
    log.append({"event": "x"})
    log.close()
    with sqlite3.connect(tmp_path / "events/0.events") as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    told: list[str] = []
    assert make_log(told.append).append({"event": "x"}) == NUMBERS + 1
    assert "version 7" in told[0]


def test_only_the_newest_damaged_file_is_kept(make_log, tmp_path) -> None:
    for turn in range(3):
        log = make_log()
        assert log.append({"event": "x"}) == turn * NUMBERS + 1
        log.close()
        (tmp_path / f"events/{turn}.events").write_bytes(b"garbage" * 1000)
    log = make_log()
    log.append({"event": "x"})
    log.close()
    names = sorted(file.name for file in (tmp_path / "events").iterdir())
    assert names == ["2.damaged", "3.events", "lock"]


def test_an_event_that_the_disk_has_changed_is_passed_over_and_counts_as_lost(make_log, tmp_path) -> None:
    log = make_log()
    for turn in range(3):
        log.append({"event": "x", "turn": turn})
    log.reached("mqtt")
    log.close()
    with sqlite3.connect(tmp_path / "events/0.events") as connection:
        connection.execute("UPDATE events SET facts = substr(facts, 3) WHERE number = 2")
    connection.close()
    for entry in log.after(0):
        log.advance("mqtt", entry.number)
    assert (log.lost("mqtt"), log.waiting("mqtt"), log.reached("mqtt")) == (1, 0, 3)


def test_a_process_that_was_stopped_while_it_wrote_does_not_hang_the_others(make_log, tmp_path) -> None:
    log = make_log()
    log.append({"event": "x"})
    log.reached("mqtt")
    other = sqlite3.connect(tmp_path / "events/0.events", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began_s = time.monotonic()
    assert log.append({"event": "x"}) is None
    assert time.monotonic() - began_s < 5
    with pytest.raises(DeviceTrouble, match="locked"):
        log.advance("mqtt", 1)
    assert len(log.after(0)) == 1, "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    assert log.append({"event": "x"}) == 2


def test_the_files_are_nobody_else_s(make_log, tmp_path) -> None:
    log = make_log()
    log.append({"event": "x"}, b"picture")
    modes = {file.name: oct(file.stat().st_mode & 0o077) for file in (tmp_path / "events").glob("*.events*")}
    assert set(modes.values()) == {"0o0"}, json.dumps(modes)
