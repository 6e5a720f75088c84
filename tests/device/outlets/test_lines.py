"""A line an event, on the disk."""

import json
from pathlib import Path

import pytest

from relens.device.events.log import EventLog
from relens.device.outlets.lines import Lines
from relens.errors import DeviceTrouble
from relens.spec.camera import LinesSettings


@pytest.fixture
def lines(tmp_path: Path):
    made = Lines(LinesSettings(path=tmp_path / "events.jsonl"), "cam1")
    yield made
    made.close()


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["number"] for line in path.read_text().splitlines()]


def test_a_line_has_the_facts_the_number_and_the_camera(log: EventLog, lines: Lines) -> None:
    log.append({"event": "door", "phase": "began"}, b"picture")
    lines.open()
    assert [one.number for one in lines.send(log.after(0))] == [1]
    assert json.loads(lines.path.read_text()) == {"event": "door", "phase": "began", "number": 1, "camera": "cam1"}


def test_a_file_that_is_rotated_away_is_begun_anew(log: EventLog, lines: Lines, tmp_path: Path) -> None:
    lines.open()
    for number in range(3):
        log.append({"event": "x"})
        list(lines.send(log.after(number)))
        if number == 0:
            lines.path.rename(tmp_path / "events.jsonl.1")
    assert (numbers(tmp_path / "events.jsonl.1"), numbers(lines.path)) == ([1], [2, 3])


def test_what_a_power_cut_left_half_written_is_not_continued(log: EventLog, lines: Lines) -> None:
    lines.path.write_text('{"number": 1}\n{"num')
    log.append({"event": "x"})
    lines.open()
    list(lines.send(log.after(0)))
    assert [json.loads(lines.path.read_text().splitlines()[at])["number"] for at in (0, 2)] == [1, 1]


def test_a_missing_folder_and_a_full_disk_are_coded(log: EventLog, lines: Lines, tmp_path: Path) -> None:
    log.append({"event": "x"})
    absent = Lines(LinesSettings(path=tmp_path / "no/events.jsonl"), "cam1")
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*No such file"):
        absent.open()
    full = Lines(LinesSettings(path=Path("/dev/full")), "cam1")
    full.open()
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: /dev/full cannot be written: No space"):
        list(full.send(log.after(0)))
    full.close()
