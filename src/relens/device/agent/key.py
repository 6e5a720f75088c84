"""What opens the live page: made once, kept on the camera's disk, so that an open page outlives every bundle."""

import os
import secrets
from pathlib import Path

from relens.device.agent.cell import read_cell, write_cell
from relens.device.agent.store import Store
from relens.errors import DeviceTrouble
from relens.files import write_whole


def page_token(store: Store) -> str:
    """The camera's token; makes one where there is none.

    Raises:
        DeviceTrouble: RL-DEVICE-004 when it can be neither read nor written.
    """
    file = store.folder / "token"
    try:
        if not file.exists():
            write_whole(file, [secrets.token_urlsafe(24).encode()], mode=0o600)
        return file.read_text(encoding="ascii")
    except OSError as trouble:
        raise _closed(file, trouble) from None


def note_page(store: Store, address: str) -> None:
    """Remember where the page is."""
    write_cell(store.folder / "page", address)


def page_address(store: Store) -> str:
    """The whole address, token included.

    Raises:
        DeviceTrouble: RL-DEVICE-004 when the token cannot be read, -012 when no page has been served yet.
    """
    address = read_cell(store.folder / "page")
    if address is None:
        raise DeviceTrouble(
            "RL-DEVICE-012",
            f"the camera of {store.folder} has not served a live page yet",
            hint="relens device run --camera CAMERA; a page is served with the first bundle",
        )
    return f"{address}?token={page_token(store)}"


def _closed(file: Path, trouble: OSError) -> DeviceTrouble:
    owner = "its owner" if not file.exists() else f"user {file.stat().st_uid}"
    return DeviceTrouble(
        "RL-DEVICE-004",
        f"{file}: {trouble.strerror or trouble}",
        hint=f"ask as {owner} or as root; you are user {os.geteuid()}",
    )
