"""A kit's file: a shell script that unpacks what hangs on its end. The same parts make the same bytes."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

ID_DIGITS = 12


def pack(parts: Mapping[str, bytes | Path], facts: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Script and archive, to be written one behind the other.

    Args:
        parts: content, or a file, by its name in the kit.
        facts: what the script says of the kit: title, architecture, glibc, flags, python, system_python, disk_mb.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, part in sorted(parts.items()):
            content = part.read_bytes() if isinstance(part, Path) else part
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    body = archive.getvalue()
    digest = hashlib.sha256(body).hexdigest()
    text = resources.files("relens.kit").joinpath("installer.sh").read_text(encoding="utf-8")
    lines = text.count("\n") + 1  # and the archive begins on the line behind
    script = Template(text).substitute({**facts, "sha256": digest, "id": digest[:ID_DIGITS], "skip": str(lines)})
    return script.encode(), body
