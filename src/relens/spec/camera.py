"""What stands in `camera.toml`, beside the camera: where frames come from, what is an event, and who is told."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from relens.errors import BadConfig
from relens.spec.broker import BrokerSettings
from relens.spec.events import PLAIN, EventRules
from relens.spec.page import PageSettings, check_page
from relens.spec.strict import Strict, validate
from relens.spec.toml import make_absolute, read_table

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def v4l2_number(source: str) -> int | None:
    """The N of a local camera that is named `N` or `/dev/videoN`; None for any other source."""
    number = source.removeprefix("/dev/video")
    return int(number) if number.isdecimal() else None


class SourceSettings(Strict):
    """`[camera]`. name: what the camera is called elsewhere; None takes the host's name.

    source: a V4L2 number, an `rtsp://` address, a named pipe, a clip or a folder of pictures. password_file: holds the
    password of the user in the address, and nothing else; it is never logged or shown.
    """

    source: str
    name: str | None = Field(default=None, max_length=80, pattern=PLAIN)
    password_file: Path | None = None

    @model_validator(mode="after")
    def _has_one_password(self) -> "SourceSettings":
        if self.password_file is not None:
            address = urlsplit(self.source)
            if address.scheme not in ("rtsp", "rtsps") or not address.username or address.password is not None:
                raise ValueError("password_file goes with a source of the form rtsp://USER@HOST/...")
        return self


class AgentSettings(Strict):
    """`[agent]`. confirm_after_s: a new bundle is confirmed after so many seconds of healthy frames.

    ask_every_s: the repository that the camera follows is asked so often, give or take a fifth. max_kbit_s: the most
    that a bundle may take of the line; None: as much as there is.
    """

    confirm_after_s: float = Field(default=60.0, ge=0)
    ask_every_s: float = Field(default=300.0, gt=0)
    max_kbit_s: float | None = Field(default=None, gt=0)


class KeepSettings(Strict):
    """`[keep]`: how many events stay on the camera's disk, with their pictures; the oldest go first.

    An outlet that cannot be reached gets later what is still there.
    """

    max_mb: float = Field(default=200.0, gt=0)
    max_days: float = Field(default=30.0, gt=0)


class SampleSettings(Strict):
    """`[samples]`: frames the model is unsure about, kept for a next training; the oldest go first.

    min_doubt: 0..1, from there on a frame is kept: 1 is a tie of the two best classes, or a detection at one half.
    """

    per_hour: float = Field(default=20.0, gt=0)
    max_mb: float = Field(default=200.0, gt=0)
    min_doubt: float = Field(default=0.6, ge=0, le=1)


class MqttSettings(BrokerSettings):
    """`[mqtt]`: a broker (MQTT 3.1.1) that is told of every event, once at least and in order (QoS 1).

    topic: where events go; `{camera}` and `{event}` stand for their names. status_topic: retained `online` or
    `offline`, the latter as the will. state_topic: retained, what runs and how, for `relens status`. pictures: whether
    the event's JPEG goes along, in base64.
    """

    topic: str = Field(default="relens/{camera}/events/{event}", min_length=1)
    status_topic: str = Field(default="relens/{camera}/status", min_length=1)
    state_topic: str = Field(default="relens/{camera}/state", min_length=1)
    pictures: bool = False

    @field_validator("topic", "status_topic", "state_topic")
    @classmethod
    def _is_topic(cls, topic: str) -> str:
        try:
            filled = topic.format(camera="camera", event="event")
        except (KeyError, IndexError, ValueError):
            raise ValueError("a topic may hold {camera} and {event} only") from None
        if any(sign in filled for sign in "+#\x00"):
            raise ValueError("a topic to publish to holds no + and no #")
        return topic


class WebhookSettings(Strict):
    """`[webhook]`: an address that every event is posted to as JSON, in order, until it answers 2xx.

    token_file: holds what goes along as `Authorization: Bearer ...`, which is refused over http to another machine.
    ca: who may have signed the server's certificate, in PEM; None: whom this machine trusts.
    pictures: whether the JPEG goes along, in base64.
    """

    url: str = Field(pattern=r"^https?://[^\s]+$")
    token_file: Path | None = None
    ca: Path | None = None
    pictures: bool = False

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            whole = parts.hostname is not None and parts.port != 0
        except ValueError:
            whole = False
        if not (whole and url.isascii()):
            raise ValueError("an address is http(s)://HOST[:PORT]/PATH, in ASCII")
        if parts.username is not None:
            raise ValueError("an address holds no user and password: put a token into token_file")
        return url

    @model_validator(mode="after")
    def _keeps_its_token(self) -> "WebhookSettings":
        parts = urlsplit(self.url)
        if self.token_file is not None and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("a token would go over the network in the clear: use https, or leave token_file away")
        return self


class LinesSettings(Strict):
    """`[lines]`: a file that every event is appended to, as one line of JSON."""

    path: Path


class CameraSettings(Strict):
    """One `camera.toml`; every path is absolute. events: None takes those of the bundle."""

    camera: SourceSettings
    page: PageSettings = PageSettings()
    agent: AgentSettings = AgentSettings()
    events: EventRules | None = None
    keep: KeepSettings = KeepSettings()
    samples: SampleSettings | None = None
    mqtt: MqttSettings | None = None
    webhook: WebhookSettings | None = None
    lines: LinesSettings | None = None


PATH_KEYS = {
    "camera": ("password_file",),
    "page": ("certificate", "key"),
    "mqtt": ("password_file",),
    "webhook": ("token_file", "ca"),
}


def camera_settings(
    path: str | Path | None = None,
    *,
    source: str | None = None,
    page: bool | None = None,
    port: int | None = None,
    confirm_after_s: float | None = None,
) -> CameraSettings:
    """Read a `camera.toml`, or do without.

    Args:
        path: the file.
        source, page, port, confirm_after_s: where given, go before `[camera] source`, `[page] serve`, `[page] port`
            and `[agent] confirm_after_s`.

    Raises:
        BadConfig: RL-CONFIG-001 when it cannot be read or is not TOML, -002 for an unknown key, -003 for a wrong
            value, a path that does not exist, a page beyond loopback without HTTPS, or when there is no source.
    """
    values = _read(Path(path).absolute()) if path else {}
    given: dict[str, dict[str, Any]] = {
        "camera": {"source": source},
        "page": {"serve": page, "port": port},
        "agent": {"confirm_after_s": confirm_after_s},
    }
    for table, keys in given.items():
        asked = {key: value for key, value in keys.items() if value is not None}
        if asked and isinstance(values.setdefault(table, {}), dict):
            values[table].update(asked)
    if "camera" not in values:
        raise BadConfig(
            "RL-CONFIG-003",
            f"{path or 'relens device run'}: no camera is named",
            hint="name one with --camera, or in a camera.toml under [camera] source",
        )
    settings = validate(CameraSettings, values, where=path or "options")
    if settings.page.serve:
        check_page(settings.page.host, settings.page.certificate, path or "options")
    return settings


def _read(path: Path) -> dict[str, Any]:
    values = read_table(path, hint="docs/camera.md shows one")
    for table, keys in PATH_KEYS.items():
        make_absolute(values.get(table), keys, path)
    camera, mqtt, lines = (values.get(table) for table in ("camera", "mqtt", "lines"))
    if isinstance(camera, dict) and (path.parent / str(camera.get("source"))).exists():
        camera["source"] = str(path.parent / camera["source"])
    if isinstance(mqtt, dict):
        make_absolute(mqtt.get("tls"), ("ca", "certificate", "key"), path)
    if isinstance(lines, dict) and isinstance(lines.get("path"), str):
        lines["path"] = path.parent / Path(lines["path"]).expanduser()
    return values
