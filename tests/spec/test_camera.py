"""`camera.toml`."""

from pathlib import Path

import pytest

from relens.errors import BadConfig
from relens.spec import EventRule, camera_settings

WHOLE = """
[camera]
source = "rtsp://cam@10.0.0.5/stream"
name = "yard"
password_file = "secret"

[page]
port = 0

[[events]]
name = "person"
labels = ["person"]
zone = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]
dwell_s = 2

[mqtt]
host = "broker"
tls = { ca = "ca.pem" }

[webhook]
url = "https://example.org/hook"

[lines]
path = "events.jsonl"
"""


@pytest.fixture
def written(tmp_path: Path):
    for name in ("secret", "ca.pem"):
        (tmp_path / name).touch()

    def write(text: str) -> Path:
        (tmp_path / "camera.toml").write_text(text)
        return tmp_path / "camera.toml"

    return write


def test_paths_are_read_against_the_file_and_everything_else_has_a_default(written, tmp_path) -> None:
    settings = camera_settings(written(WHOLE))

    assert settings.camera.password_file == tmp_path / "secret"
    assert settings.mqtt.tls.ca == tmp_path / "ca.pem"
    assert settings.lines.path == tmp_path / "events.jsonl"
    zone = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
    assert settings.events == (EventRule(name="person", labels=("person",), zone=zone, dwell_s=2),)
    assert (settings.page.serve, settings.keep.max_mb, settings.mqtt.port) == (True, 200, 8883)


def test_options_go_before_the_file_and_are_enough_without_one(written, tmp_path) -> None:
    (tmp_path / "clip.mp4").touch()
    file = written('[camera]\nsource = "clip.mp4"\n[page]\nport = 1')

    assert camera_settings(file).camera.source == str(tmp_path / "clip.mp4")
    both = camera_settings(file, source="0", page=False)
    assert (both.camera.source, both.page.serve, both.page.port) == ("0", False, 1)
    assert camera_settings(source="0", port=0).page.port == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "RL-CONFIG-003.*no camera"),
        ("[camera]\nsource = 0", r"RL-CONFIG-003.*camera\.source"),
        ('[camera]\nsorce = "0"', "RL-CONFIG-003|RL-CONFIG-002"),
        ('[camera]\nsource = "0"\nnme = "a"', r"RL-CONFIG-002[\s\S]*did you mean `name`"),
        ('[camera]\nsource = "0"\npassword_file = "secret"', "RL-CONFIG-003.*rtsp://USER@HOST"),
        ('[camera]\nsource = "rtsp://a:b@c/"\npassword_file = "secret"', "RL-CONFIG-003.*rtsp://USER@HOST"),
        ('[camera]\nsource = "rtsp://a@c/"\npassword_file = "none"', "RL-CONFIG-003.*none does not exist"),
        ('[camera]\nsource = "0"\nname = "a/b"', r"RL-CONFIG-003.*camera\.name"),
        ('[camera]\nsource = "0"\n[[events]]\nname = "a"\n[[events]]\nname = "a"', "the same name"),
        ('[camera]\nsource = "0"\n[[events]]\nname = "a"\nzone = [[0, 0], [1, 1]]', "three corners"),
        ('[camera]\nsource = "0"\n[[events]]\nname = "a"\nzone = [[0, 0], [1, 1], [0, 2]]', "RL-CONFIG-003.*zone"),
        ('[camera]\nsource = "0"\n[mqtt]\nhost = "a"\ntopic = "{bundle}"', r"\{camera\} and \{event\} only"),
        ('[camera]\nsource = "0"\n[mqtt]\nhost = "a"\ntopic = "#"', "no #"),
        ('[camera]\nsource = "0"\n[mqtt]\nhost = "a"\ntls = { key = "secret" }', "come together"),
        ('[camera]\nsource = "0"\n[webhook]\nurl = "ftp://a"', r"webhook\.url"),
    ],
)
def test_what_makes_no_sense_is_told(text, says, written) -> None:
    with pytest.raises(BadConfig, match=says):
        camera_settings(written(text))


def test_a_password_is_not_sent_in_the_clear(written) -> None:
    assert camera_settings(written('[camera]\nsource = "0"\n[mqtt]\nhost = "a"\ntls = false')).mqtt.tls is None
    with pytest.raises(BadConfig, match="in the clear"):
        camera_settings(written('[camera]\nsource = "0"\n[mqtt]\nhost = "a"\ntls = false\nuser = "u"'))


@pytest.mark.parametrize(
    "text",
    [
        '[camera]\nsource = "rtsp://yard:hush@10.0.0.5/"\npassword_file = "camera.toml"\n',
        '[camera]\nsource = "0"\n[webhook]\nurl = "https://yard:hush@example.org/hook"\n',
        '[camera]\nsource = "0"\n[webhook]\nurl = "ftp://example.org/hush"\n',
        '[camera]\nsource = "0"\n[mqtt]\nhost = "b"\nuser = "hush"\ntls = false\n',
    ],
)
def test_a_refusal_shows_no_password(text, written) -> None:
    with pytest.raises(BadConfig, match=r"RL-CONFIG-003.*found: ") as caught:
        camera_settings(written(text))
    assert "hush" not in str(caught.value)
