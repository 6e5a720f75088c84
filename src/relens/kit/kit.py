"""Make a kit: gather, judge, pack."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from relens.device.agent.trust import read_root
from relens.device.doctor.processor import NEEDED
from relens.errors import BadConfig, DeliveryTrouble
from relens.files import check_writable, write_whole
from relens.kit.archives import contents, objects_in
from relens.kit.judge import Judgement, judge
from relens.kit.own_wheel import own_wheel
from relens.kit.pack import pack
from relens.kit.wheels import Target, fetch, wheel_store
from relens.spec import CameraSettings, Device, validate
from relens.spec.toml import read_table

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
# Unpacked, with the byte code that Python keeps, beside the archive it came from.
UNPACKED = 3.5


@dataclass(frozen=True)
class Trust:
    """The repository a camera is to follow from the start. root: its `1.root.json`; address: where it is."""

    root: Path
    address: str
    channel: str = "stable"


@dataclass(frozen=True)
class Kit:
    """What was made. size_bytes: of the file; disk_mb: what it takes on the device, 1e6 bytes."""

    path: Path
    device: str
    python: str
    brings_python: bool
    packages: tuple[str, ...]
    size_bytes: int
    disk_mb: int
    judgement: Judgement

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "path": str(self.path)}

    def __repr__(self) -> str:
        python = f"brings Python {self.python}" if self.brings_python else f"uses the system's Python {self.python}"
        return (
            f"{self.path}: {self.size_bytes / 1e6:.0f} MB for {self.device}, {self.disk_mb} MB there\n"
            f"  {len(self.packages)} packages; {python}\n"
            f"  {self.judgement}"
        )


def build_kit(
    device: Device,
    path: Path,
    *,
    python: str | Path | None = None,
    bundle: Path | None = None,
    trust: Trust | None = None,
    settings: Path | None = None,
    openvino: bool = False,
    wheels: Path | None = None,
    stage: Callable[[str], None] = lambda _: None,
) -> Kit:
    """Make one file that installs the camera side on a device without a network.

    Every shared object in it is read, and held against the device's glibc, libstdc++ and processor.

    Args:
        device: for which.
        path: the file to write.
        python: one of the device's own Pythons, as `3.11`; or an archive (`.tar.gz`) of one that goes along, with
            `python/bin/python3.X` in it. None takes the first of the device's own.
        bundle: installed at once.
        trust: what the camera follows from then on.
        settings: its `camera.toml`; None writes one for the device's own camera.
        openvino: that engine too; it comes by itself where the bundle needs it.
        wheels: where downloaded wheels are kept; None takes `wheel_store()`.
        stage: told what is done at the moment.

    Raises:
        BadConfig: RL-KIT-001 when the device has no Python that fits and none is brought; for `settings` that cannot
            be, as their codes say.
        BadBundle: the bundle is damaged.
        DeliveryTrouble: RL-DELIVER-004 when `trust` is none; RL-KIT-002 when a part is damaged, -003 when packages
            cannot be had, -004 when an object would not run there; it names the file and the symbol or the
            instruction set.
    """
    check_writable(path)
    archive, version = _python(device, python)
    store = wheels or wheel_store()
    openvino = openvino or (bundle is not None and _engine_of(bundle) == "openvino")
    parts = _carried(device, bundle, trust, settings)
    with TemporaryDirectory(prefix="relens-kit-") as folder:
        stage("packages")
        found = fetch(Target.of(device, version), Path(folder), store, openvino=openvino)
        name, content = own_wheel()
        parts.update({f"wheels/{wheel.name}": wheel for wheel in found})
        parts[f"wheels/{name}"] = content
        if archive is not None:
            parts["python.tar.gz"] = archive
        stage("judge")
        objects = objects_in([*found, *([archive] if archive else [])], store.parent / "objects")
        judgement = judge(objects, device)
        if not judgement.fits:
            raise _would_not_run(device, judgement)
        stage("pack")
        size = sum(len(part) if isinstance(part, bytes) else part.stat().st_size for part in parts.values())
        disk_mb = round(size * UNPACKED / 1e6)
        parts["kit.json"] = _told(device, version, judgement, parts)
        script, body = pack(
            parts,
            {
                "title": device.title,
                "architecture": device.architecture,
                "glibc": judgement.glibc,
                "flags": " ".join(NEEDED.get(device.architecture, ())),
                "python": version,
                "system_python": '""' if archive else "yes",
                "disk_mb": str(disk_mb),
            },
        )
        write_whole(path, [script, body], mode=0o777)
    packages = tuple(sorted("-".join(file.name.split("-")[:2]) for file in found))
    return Kit(path, device.name, version, archive is not None, packages, len(script) + len(body), disk_mb, judgement)


def _python(device: Device, wanted: str | Path | None) -> tuple[Path | None, str]:
    """The archive that goes along, if any, and the version."""
    own = device.system.pythons
    if wanted is None and not own:
        raise BadConfig(
            "RL-KIT-001",
            f"{device.title} has no Python that relens runs on ({device.system.title}): a kit has to bring one",
            hint="--python FILE.tar.gz, an `install_only` archive of python-build-standalone; see docs/deeplens.md",
        )
    if wanted is None or str(wanted) in SUPPORTED:
        return None, str(wanted or own[0])
    archive = Path(wanted)
    if not archive.is_file():
        raise BadConfig(
            "RL-KIT-001",
            f"`{wanted}` is neither one of {', '.join(SUPPORTED)} nor an archive of a Python",
            hint="name a file such as cpython-3.11-x86_64-linux-gnu-install_only.tar.gz",
        )
    names = (re.fullmatch(r"(?:\./)?python/bin/python(3\.\d+)", name) for name, _ in contents(archive))
    version = next((name[1] for name in names if name), None)
    if version not in SUPPORTED:
        raise BadConfig(
            "RL-KIT-001",
            f"{archive} holds {'Python ' + version if version else 'no python/bin/python3.X'}",
            hint=f"take an `install_only` archive of Python {', '.join(SUPPORTED)}",
        )
    return archive, version


def _carried(
    device: Device, bundle: Path | None, trust: Trust | None, settings: Path | None
) -> dict[str, bytes | Path]:
    """What goes along beside packages and a Python, by its name in the kit."""
    parts: dict[str, bytes | Path] = {
        "settle.py": resources.files("relens.kit").joinpath("settle.py").read_bytes(),
        "camera.toml": settings or _settings(device),
    }
    if settings is not None:
        validate(CameraSettings, read_table(settings, hint="docs/camera.md shows one"), where=settings)
    if bundle is not None:
        parts["bundle.relens"] = bundle
    if trust is not None:
        parts["1.root.json"] = read_root(trust.root)
        parts["repository"] = f"{trust.address}\n{trust.channel}\n".encode()
    return parts


def _engine_of(bundle: Path) -> str:
    from relens.bundle import open_bundle

    with TemporaryDirectory(prefix="relens-kit-") as folder:
        return open_bundle(bundle, Path(folder)).manifest.needs.engine


def _settings(device: Device) -> bytes:
    source = (device.camera.streams or ("0",))[0]
    return (
        f"# The camera of {device.title}. All keys: docs/camera.md\n[camera]\nsource = {json.dumps(source)}\n\n"
        '[page]\nhost = "127.0.0.1"    # from elsewhere: ssh -L 8080:127.0.0.1:8080 THIS_MACHINE\nport = 8080\n'
    ).encode()


def _told(device: Device, python: str, judgement: Judgement, parts: dict[str, bytes | Path]) -> bytes:
    facts = {"schema": 1, "device": device.name, "python": python, "judgement": asdict(judgement)}
    return json.dumps({**facts, "parts": sorted(parts)}, indent=2).encode()


def _would_not_run(device: Device, judgement: Judgement) -> DeliveryTrouble:
    first, *more = judgement.refusals
    rest = f"\nand {len(more)} more: {'; '.join(map(str, more[:3]))}" if more else ""
    return DeliveryTrouble(
        "RL-KIT-004",
        f"this kit would not run on {device.title}: {first}{rest}",
        hint=f"take an older release of {first.object.partition('-')[0]}, or a newer system",
        details={"refusals": [asdict(one) for one in judgement.refusals]},
    )
