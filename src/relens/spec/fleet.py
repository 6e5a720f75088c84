"""`fleet.toml`: the cameras that `relens deploy | status | rollback` speak of, and how a bundle reaches them."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from relens.spec.broker import BrokerSettings
from relens.spec.strict import Strict, validate
from relens.spec.toml import make_absolute, read_table

Share = Annotated[float, Field(gt=0, le=1)]
CHANNEL = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"


class RolloutSettings(Strict):
    """`[rollout]`. steps: shares of all cameras that have the bundle after each step; the last one is all of them.

    most_failed: the share, of the cameras that were given the bundle, that may refuse it, roll it back or fall silent;
    beyond it the rollout stops. silent_s: a camera that has neither confirmed nor failed after so long counts as
    silent. then: what to do when it stops: leave everything as it is, or take the bundle back from every camera.
    """

    steps: tuple[Share, ...] = (0.05, 0.25, 1.0)
    most_failed: float = Field(default=0.1, ge=0, lt=1)
    silent_s: float = Field(default=900.0, gt=0)
    then: Literal["hold", "roll back"] = "hold"

    @field_validator("steps")
    @classmethod
    def _rise_to_all(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if not steps or steps[-1] != 1.0 or list(steps) != sorted(set(steps)):
            raise ValueError("steps are shares that rise to 1.0, such as [0.05, 0.25, 1.0]")
        return steps


class SshSettings(Strict):
    """`[ssh]`: how OpenSSH reaches the cameras; what is left out stands in its own configuration.

    relens: the program on the cameras. state: where they keep their bundles. sudo: become root for `relens device
    remote`, unless root logs in. key: to log in with. known_hosts: the cameras' own keys. config: instead of
    ~/.ssh/config. jump: [USER@]HOST[:PORT] to go through. max_kbit_s: for bundles, for each camera.
    """

    relens: str = "/opt/relens/bin/relens"
    state: str = "/var/lib/relens"
    sudo: bool = True
    key: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    jump: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.@:\[\],-]+$")
    max_kbit_s: int | None = Field(default=None, gt=0)


class CameraAddress(Strict):
    """`[[cameras]]`: one that is reached over SSH. address: ssh://[USER@]HOST[:PORT]."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^/+#\x00-\x1f\x7f]+$")
    address: str

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        check_ssh(address)
        return address


class RepositoryFleet(Strict):
    """`[repository]`: cameras that follow a channel of a signed repository, and tell a broker how they are.

    keys: the folder of its keys. mirror: `s3://BUCKET[/PREFIX]` that is brought up to date after every change.
    """

    folder: Path
    channel: str = Field(default="stable", pattern=CHANNEL)
    keys: Path = Path("~/.config/relens/keys")
    mirror: str | None = Field(default=None, pattern=r"^s3://.+")


class ReportsSettings(BrokerSettings):
    """`[reports]`: the MQTT broker that the cameras' `[mqtt]` names; state_topic, status_topic: as there."""

    state_topic: str = "relens/{camera}/state"
    status_topic: str = "relens/{camera}/status"

    @field_validator("state_topic", "status_topic")
    @classmethod
    def _names_cameras(cls, topic: str) -> str:
        if topic.split("/").count("{camera}") != 1 or any(sign in topic for sign in "+#\x00"):
            raise ValueError("a topic holds {camera} as one of its levels, and no + and no #")
        return topic


class GreengrassFleet(Strict):
    """`[greengrass]`: target: `thing/NAME` or `thinggroup/NAME`. bucket: for bundles."""

    target: str = Field(pattern=r"^(thing|thinggroup)/[A-Za-z0-9:_-]+$")
    bucket: str = Field(min_length=3)


class Fleet(Strict):
    """One `fleet.toml`: `[[cameras]]`, `[repository]` or `[greengrass]`, exactly one of them."""

    cameras: tuple[CameraAddress, ...] = ()
    repository: RepositoryFleet | None = None
    greengrass: GreengrassFleet | None = None
    rollout: RolloutSettings = RolloutSettings()
    ssh: SshSettings = SshSettings()
    reports: ReportsSettings | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> "Fleet":
        ways = [name for name in ("cameras", "repository", "greengrass") if getattr(self, name)]
        if len(ways) != 1:
            raise ValueError(f"one of [[cameras]], [repository] and [greengrass] is needed, not {ways or 'none'}")
        names = [one.name for one in self.cameras]
        if len(set(names)) < len(names):
            raise ValueError("two cameras have the same name")
        return self


PATH_KEYS = {
    "ssh": ("key", "known_hosts", "config"),
    "repository": ("folder", "keys"),
    "reports": ("password_file",),
}


def load_fleet(path: Path) -> Fleet:
    """Read a `fleet.toml`; paths in it are relative to it.

    Raises:
        BadConfig: RL-CONFIG-001 when it cannot be read or is not TOML, -002 for an unknown key, -003 for a wrong value
            or a path that does not exist.
    """
    path = path.absolute()
    values = read_table(path, hint="docs/delivery.md shows one; a single camera: ssh://USER@HOST")
    for table, keys in PATH_KEYS.items():
        make_absolute(values.get(table), keys, path)
    if isinstance(values.get("reports"), dict):
        make_absolute(values["reports"].get("tls"), ("ca", "certificate", "key"), path)
    return validate(Fleet, values, where=path)


def check_ssh(address: str) -> None:
    """Refuse what is no `ssh://[USER@]HOST[:PORT]`.

    Raises:
        ValueError: with the reason.
    """
    try:
        parts = urlsplit(address)
        whole = parts.scheme == "ssh" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.path not in ("", "/") or (parts.hostname or "").startswith("-"):
        raise ValueError("an address is ssh://[USER@]HOST[:PORT]")
    if parts.password is not None:
        raise ValueError("an address holds no password: SSH logs in with a key")


def single(address: str) -> Fleet:
    """The fleet of one camera.

    Raises:
        BadConfig: RL-CONFIG-003 for what is no address.
    """
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    return validate(Fleet, {"cameras": [{"name": host or "camera", "address": address}]}, where="the address")
