"""Whether who should read and write can, and nobody else."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from relens.device.credentials import credential
from relens.device.doctor.disk import existing
from relens.device.doctor.finding import Finding, as_root, fine, unknown, wrong

OTHERS = stat.S_IRWXO


def check_store(store: Path) -> Finding:
    """Whether this user can keep a camera's state there, or its agent can, and no stranger."""
    if not os.path.exists(store):  # noqa: PTH110 - no errors
        return _check_new(store)
    about, quoted = store.stat(), shlex.quote(str(store))
    if not store.is_dir():
        return wrong("store", f"{store} is no folder", f"relens device doctor --state {quoted}.d")
    if about.st_mode & stat.S_IWOTH:
        return wrong("store", f"everybody may write to {store}", as_root(f"chmod o-w {quoted}"))
    if not os.access(store, os.R_OK | os.W_OK | os.X_OK):
        return wrong(
            "store", f"{store} is closed to this user; it is user {about.st_uid}'s", _as_owner(about.st_uid, store)
        )
    foreign = _foreign(store, about.st_uid)
    if foreign is not None:
        return wrong(
            "store",
            f"{foreign} is not of user {about.st_uid}, whose {store} is: the agent may not change it",
            as_root(f"chown -R --reference={quoted} {quoted}"),
        )
    return fine("store", f"{store}, of user {about.st_uid}, mode {stat.S_IMODE(about.st_mode):o}")


def check_token(store: Path) -> Iterator[Finding]:
    """Whether the live page's key is the owner's alone; nothing where there is none yet."""
    token = store / "token"
    if os.access(store, os.X_OK) and token.exists():
        yield check_secret(token, "page key")


def check_inbox(store: Path, running: bool) -> Iterator[Finding]:
    """Bundles that wait there for an agent; nothing where it is empty."""
    waiting = sorted((store / "inbox").glob("*.relens")) if os.access(store / "inbox", os.R_OK | os.X_OK) else []
    if waiting:
        text = f"{len(waiting)} bundle(s) wait in {store / 'inbox'}"
        yield (
            unknown("inbox", text)
            if running
            else wrong("inbox", f"{text}, and no agent runs", f"relens device run --state {shlex.quote(str(store))}")
        )


def check_secrets(files: Iterable[Path]) -> Iterator[Finding]:
    """One finding a file with a password, token or key."""
    for file in files:
        yield check_secret(file)


def check_secret(file: Path, name: str = "secret") -> Finding:
    """Whether it is there, can be read by this user and not by everybody, and holds something."""
    read, quoted = credential(file), shlex.quote(str(file))
    try:
        about = read.stat()
    except FileNotFoundError:
        return wrong(name, f"{file} is not there", f"install -m 600 /dev/stdin {quoted}    # then type it, Ctrl-D")
    except OSError as trouble:
        return unknown(name, f"{file} cannot be looked at: {trouble.strerror}", as_root("relens device doctor"))
    if about.st_mode & OTHERS:
        return wrong(name, f"{file} is open to everybody (mode {stat.S_IMODE(about.st_mode):o})", f"chmod o= {quoted}")
    if about.st_size == 0:
        return wrong(name, f"{file} is empty", f"install -m 600 /dev/stdin {quoted}    # then type it, Ctrl-D")
    if not os.access(read, os.R_OK):
        return unknown(name, f"{file} is closed to this user; a service gets it handed over")
    return fine(name, f"{file}, of user {about.st_uid}, mode {stat.S_IMODE(about.st_mode):o}")


def _check_new(store: Path) -> Finding:
    above, quoted = existing(store), shlex.quote(str(store))
    if os.path.islink(store) or not os.access(above, os.X_OK):  # noqa: PTH114 - no errors
        return unknown("store", f"{store} is closed to this user", as_root("relens device doctor"))
    if not os.access(above, os.W_OK):
        return wrong(
            "store",
            f"{store} is not there, and this user may not make it in {above}",
            as_root(f"install -d -o {os.geteuid()} {quoted}"),
        )
    return fine("store", f"{store} is not there yet; the first bundle makes it")


def _foreign(store: Path, owner: int) -> Path | None:
    """Something there that is not the owner's; None when all is."""
    for folder, folders, files in os.walk(store):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.lstat().st_uid != owner:
                return path
    return None


def _as_owner(owner: int, store: Path) -> str:
    command = f"relens device doctor --state {shlex.quote(str(store))}"
    return f"sudo {command}" if owner == 0 else f"sudo -u '#{owner}' {command}    # as its owner"
