"""relens itself as a wheel, from wherever it is installed: a kit brings the very code that built it."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nGenerator: relens\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def own_wheel() -> tuple[str, bytes]:
    """Name and content (binary distribution format, PEP 427); the same code, the same bytes."""
    here = distribution("relens")
    stem = f"relens-{here.version}"
    points = "".join(
        f"[{group}]\n" + "".join(f"{one.name} = {one.value}\n" for one in here.entry_points if one.group == group)
        for group in sorted({one.group for one in here.entry_points})
    )
    files = dict(_code())
    files[f"{stem}.dist-info/METADATA"] = (here.read_text("METADATA") or "").encode()
    files[f"{stem}.dist-info/WHEEL"] = _WHEEL.encode()
    files[f"{stem}.dist-info/entry_points.txt"] = points.encode()
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(_row(name, content) for name, content in files.items()).encode() + f"{record},,\n".encode()
    wheel = BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return f"{stem}-py3-none-any.whl", wheel.getvalue()


def _code() -> Iterator[tuple[str, bytes]]:
    package = Path(str(resources.files("relens")))
    for file in sorted(package.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(package.parent).as_posix(), file.read_bytes()


def _row(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"
