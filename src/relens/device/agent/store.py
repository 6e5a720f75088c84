"""What is on a camera's disk. Every change is one rename or one cell; a power cut at any moment leaves a valid camera.

    STATE/
      standing          -> "active.good.before.starts"   a cell: a symbolic link whose target is the text
      bad/ID            -> why it failed here            a cell
      bundles/ID/       bundle.relens and its model, whole or not there; accepted.json once its golden frames have
                        held here, seen.json once it has shown something, pulse.json while it runs
      inbox/            bundles for the agent to install, and its answers
      events/           what was noticed (`relens.device.events.log`)
      samples/          frames the model was unsure about (`relens.device.samples`)
      trust/            what the camera follows (`relens.device.agent.trust`)
      journal.jsonl     what happened
      token, page       what opens the live page, and where it is
      agent.lock, store.lock

ID is the first 12 digits of the bundle's SHA-256.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from relens.device.agent.cell import read_cell, write_cell
from relens.device.agent.inbox import Inbox
from relens.device.agent.journal import Journal
from relens.device.agent.standing import Standing
from relens.errors import DeviceTrouble
from relens.files import sync_folder, write_whole

if TYPE_CHECKING:
    from relens.bundle import Bundle

ID_DIGITS = 12
FILE = "bundle.relens"
ACCEPTED, SEEN, PULSE = "accepted.json", "seen.json", "pulse.json"
AGENT_LOCK = "agent.lock"
NOTHING = "-"


@dataclass(frozen=True)
class Stored:
    """A bundle on this camera's disk. bad: why it failed here, or None."""

    id: str
    folder: Path
    accepted: bool
    bad: str | None


class Store:
    """The disk side of a camera: reads and changes what is there.

    Args:
        folder: made when it does not exist.

    Raises:
        DeviceTrouble: RL-DEVICE-004 when it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundles, self.bad, self.inbox = folder / "bundles", folder / "bad", Inbox(folder / "inbox")
        self.events, self.samples, self.follows = folder / "events", folder / "samples", folder / "trust/follows.json"
        try:
            for one in (self.bundles, self.bad, self.inbox.folder):
                one.mkdir(parents=True, exist_ok=True)
        except OSError as trouble:
            raise DeviceTrouble(
                "RL-DEVICE-004",
                f"the camera's state cannot be kept in {folder}: {trouble.strerror}",
                hint="name a folder that can be written with --state",
            ) from None
        self.journal = Journal(folder / "journal.jsonl")

    def standing(self) -> Standing:
        """What runs and what to fall back to."""
        return _parsed(read_cell(self.folder / "standing"))

    def stored(self) -> Mapping[str, Stored]:
        """All bundles on the disk and all that failed here, by id."""
        there = {one.name for one in self.bundles.iterdir() if not one.name.startswith(".")}
        failed = {one.name for one in self.bad.iterdir() if not one.name.startswith(".")}
        return {one: self._stored(one) for one in sorted(there | failed)}

    def _stored(self, bundle: str) -> Stored:
        folder = self.bundles / bundle
        return Stored(bundle, folder, (folder / ACCEPTED).exists(), read_cell(self.bad / bundle))

    def take(self, path: Path) -> "Bundle":
        """Copy a bundle in, whole, and check it there; what is there already is checked again.

        Raises:
            BadBundle, BadModel: it is damaged or foreign.
            DeviceTrouble: RL-DEVICE-004 when there is no room for it; nothing of it is left.
        """
        from relens.bundle import open_bundle
        from relens.bundle.archive import read_bytes

        content = read_bytes(path)
        room = self.bundles / f".{secrets.token_hex(8)}"
        with self.changing():
            try:
                room.mkdir()
                _write_reserved(room / FILE, content)
                bundle = open_bundle(room / FILE, room)  # writes the model behind it, and syncs the folder with both
                folder = self.bundles / bundle.sha256[:ID_DIGITS]
                if not (folder / FILE).exists():
                    self._drop(folder)
                    room.rename(folder)
                    sync_folder(self.bundles)
                    self.journal.note("verified", bundle=folder.name, name=bundle.manifest.name)
            except OSError as trouble:
                raise no_room(path, trouble) from None
            finally:
                shutil.rmtree(room, ignore_errors=True)
        return self.open(folder.name)

    def open(self, bundle: str) -> "Bundle":
        """A bundle on this disk, checked anew.

        Raises:
            BadBundle, BadModel: it has been damaged since.
            DeviceTrouble: RL-DEVICE-006 when it is not there.
        """
        from relens.bundle import open_bundle

        folder = self.bundles / bundle
        if not (folder / FILE).exists():
            raise DeviceTrouble(
                "RL-DEVICE-006", f"bundle {bundle} is not on this camera", hint="see what is: relens device status"
            )
        return open_bundle(folder / FILE, folder)

    def accept(self, bundle: str, facts: bytes) -> None:
        """Note that its golden frames have held here, with what was measured (JSON)."""
        write_whole(self.bundles / bundle / ACCEPTED, [facts])
        self.journal.note("accepted", bundle=bundle)

    def activate(self, bundle: str) -> Standing:
        """Let an accepted bundle run, on trial.

        Raises:
            DeviceTrouble: RL-DEVICE-006 when it is not here or not accepted, RL-DEVICE-007 when it failed here before.
        """
        with self.changing():
            stored = self._stored(bundle)
            if stored.bad:
                raise DeviceTrouble(
                    "RL-DEVICE-007",
                    f"bundle {bundle} failed on this camera before: {stored.bad}",
                    hint="to try it all the same: relens device install --again NAME.relens",
                )
            if not stored.accepted:
                raise DeviceTrouble(
                    "RL-DEVICE-006",
                    f"bundle {bundle} is not accepted on this camera",
                    hint="relens device install NAME.relens",
                )
            standing = self._stand("active", self.standing().activated(bundle), bundle=bundle)
            self._drop_unneeded(standing)
            return standing

    def start(self) -> Standing:
        """Count a start of what is active."""
        with self.changing():
            standing = self.standing().started()
            self._write(standing)
            return standing

    def excuse(self) -> None:
        """Take a start back."""
        with self.changing():
            self._write(self.standing().excused())

    def confirm(self, bundle: str | None = None) -> Standing:
        """A bundle is healthy, or what is active (None) is; nothing changes if another one is active by now."""
        with self.changing():
            standing = self.standing()
            if standing.active is None or bundle not in (None, standing.active):
                return standing
            if standing.on_trial:
                standing = self._stand("confirmed", standing.confirmed(), bundle=standing.active)
                self._drop_unneeded(standing)
                return standing
            if standing.starts:
                self._write(standing.confirmed())
            return self.standing()

    def fail(self, bundle: str, why: str) -> Standing:
        """What is active does not work: mark it and go back. Nothing changes if another one is active by now."""
        with self.changing():
            standing = self.standing()
            if standing.active != bundle:
                return standing
            after = standing.failed()
            if after.active != bundle:
                # First the mark: a power cut between the two must not let a bad bundle stand.
                self.mark(bundle, why)
            return self._stand("rolled back", after, bundle=bundle, why=why)

    def roll_back(self, why: str, bundle: str | None = None) -> Standing:
        """Leave a bundle, or what is active (None), because somebody says so; nothing changes if another one is active.

        Raises:
            DeviceTrouble: RL-DEVICE-005 when there is nothing to go back to.
        """
        with self.changing():
            standing = self.standing()
            if bundle not in (None, standing.active):
                return standing
            after = standing.rolled_back()
            if standing.active:
                self.mark(standing.active, why)
            return self._stand("rolled back", after, bundle=standing.active, why=why)

    def refuse(self, bundle: str, why: str) -> None:
        """This machine does not accept a bundle: mark it, and keep nothing of it."""
        with self.changing():
            self.mark(bundle, why)
            if bundle not in self.standing().needed:
                self._drop(self.bundles / bundle)

    def remember(self, bundle: str, seen: Mapping[str, int]) -> None:
        """Note what a healthy bundle has seen here; a disk that is full keeps the older note."""
        with suppress(OSError):
            write_whole(self.bundles / bundle / SEEN, [json.dumps(seen).encode()])

    def beat(self, bundle: str, pulse: Mapping[str, float]) -> None:
        """Note how a bundle runs right now, now and then: not worth a write that waits for the disk."""
        with suppress(OSError):
            file = self.bundles / bundle / PULSE
            file.with_name(f".{PULSE}").write_text(json.dumps(pulse), encoding="utf-8")
            file.with_name(f".{PULSE}").replace(file)

    def facts(self, bundle: str, name: str) -> Any:
        """What was noted of a bundle, `ACCEPTED`, `SEEN` or `PULSE`; None when there is nothing that can be read."""
        try:
            return json.loads((self.bundles / bundle / name).read_bytes())
        except (OSError, ValueError):
            return None

    def mark(self, bundle: str, why: str) -> None:
        """Note that a bundle failed here."""
        write_cell(self.bad / bundle, why)
        self.journal.note("bad", bundle=bundle, why=why)

    def pardon(self, bundle: str) -> None:
        """Forget that a bundle failed here."""
        (self.bad / bundle).unlink(missing_ok=True)
        sync_folder(self.bad)

    def mend(self) -> Standing:
        """After a start: finish what a power cut interrupted, and drop what nobody needs."""
        with self.changing():
            standing = self.standing()
            why = read_cell(self.bad / standing.active) if standing.active else None
            if why is not None:
                standing = self._stand("rolled back", standing.failed(), bundle=standing.active, why=why)
            for left in (*self.folder.glob(".*"), *self.bad.glob(".*")):
                left.unlink(missing_ok=True)
            self.inbox.sweep()
            for folder in self.bundles.iterdir():
                bad = folder.name.startswith(".") or read_cell(self.bad / folder.name) is not None
                if bad and folder.name not in standing.needed:
                    self._drop(folder)
            return standing

    def give_back(self) -> None:
        """What root has made in a camera's folder belongs to whom the folder belongs to: its agent."""
        owner = self.folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):  # the agent goes on working
                if path.lstat().st_uid == 0:
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One change at a time, whatever process makes it; ends with the process, so nothing stays locked."""
        with _locked(self.folder / "store.lock", fcntl.LOCK_EX):
            yield

    @contextmanager
    def agent(self) -> Iterator[None]:
        """Be the camera's only agent.

        Raises:
            DeviceTrouble: RL-DEVICE-008 when another one runs.
        """
        try:
            with _locked(self.folder / AGENT_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB, patience_s=0.5):
                yield
        except BlockingIOError:
            raise DeviceTrouble(
                "RL-DEVICE-008",
                f"another agent runs this camera: {self.folder}",
                hint="stop it first, or give this one a folder of its own with --state",
            ) from None

    def has_agent(self) -> bool:
        """Whether one runs this camera."""
        try:
            with _locked(self.folder / AGENT_LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True

    def _stand(self, event: str, standing: Standing, **facts: str | None) -> Standing:
        if standing != self.standing():
            self._write(standing)
            self.journal.note(event, **facts, active=standing.active)
        return standing

    def _drop_unneeded(self, standing: Standing) -> None:
        """Delete accepted bundles that neither run nor are a fallback."""
        for stored in self.stored().values():
            if stored.accepted and stored.id not in standing.needed:
                self._drop(stored.folder)

    def _drop(self, folder: Path) -> None:
        """Delete a bundle's folder: first its name, so that a power cut leaves none that is half there."""
        gone = folder.with_name(f".{secrets.token_hex(8)}")
        with suppress(OSError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _write(self, standing: Standing) -> None:
        write_cell(self.folder / "standing", _text(standing))


def _text(standing: Standing) -> str:
    bundles = (standing.active, standing.good, standing.before)
    return ".".join([*(one or NOTHING for one in bundles), str(standing.starts)])


def _parsed(text: str | None) -> Standing:
    if text is None:
        return Standing()
    *bundles, starts = text.split(".")
    active, good, before = (None if one == NOTHING else one for one in bundles)
    return Standing(active, good, before, int(starts))


def _write_reserved(path: Path, content: bytes) -> None:
    """Its room is taken before anything is written: a full disk is told at once."""
    with path.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, len(content)))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def no_room(path: Path, trouble: OSError) -> DeviceTrouble:
    """RL-DEVICE-004 for a bundle."""
    return DeviceTrouble(
        "RL-DEVICE-004",
        f"{path} cannot be kept on this camera: {trouble.strerror or trouble}",
        hint="make room on its disk; what runs goes on running",
    )


@contextmanager
def _locked(path: Path, how: int, patience_s: float = 0.0) -> Iterator[None]:
    """patience_s: somebody may only be asking whether it is locked, which takes a moment."""
    descriptor, end_s = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, how)
                break
            except BlockingIOError:
                if monotonic() >= end_s:
                    raise
                sleep(0.02)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)
