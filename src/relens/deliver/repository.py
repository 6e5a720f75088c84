"""A signed repository of plain files (The Update Framework 1.0.34), for any web server, disk or bucket.

    REPOSITORY/
      metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
      targets/    HASH.CHANNEL.relens, HASH.CHANNEL.next.relens

A channel is a target: what cameras that follow `stable` are to run is `stable.relens`, and `stable.next.relens` for
those that draw a lot below its share (`relens.device.agent.draw`). What was taken back stands on a list of its own in
the same signed words: cameras that run it leave it. Files are written in the order
in which cameras may see them, `timestamp.json` last: a command that is killed has done nothing or everything as far as
a camera can tell, and does the rest when it is given again.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer
from tuf.repository import Repository

from relens.bundle import Bundle
from relens.bundle.pieces import pieces_of, to_words
from relens.deliver.keys import NAMES, KeyRing
from relens.device.agent.trust import WITHDRAWN
from relens.errors import BadConfig, DeliveryTrouble
from relens.files import write_whole
from relens.spec.fleet import CHANNEL

DAYS = {"root": 1825, "targets": 730, "snapshot": 30, "timestamp": 30}
"""How long cameras take what was signed for current. After that they take nothing new, and keep what runs."""

KEY_OF = {"root": "root", "targets": "targets", "snapshot": "online", "timestamp": "online"}
KINDS: dict[str, type[Root | Targets | Snapshot | Timestamp]] = {
    "root": Root,
    "targets": Targets,
    "snapshot": Snapshot,
    "timestamp": Timestamp,
}


@dataclass(frozen=True)
class Published:
    """What a channel offers. bundle: the first 12 digits of its SHA-256. share: of the cameras that follow it."""

    channel: str
    name: str
    bundle: str
    size_bytes: int
    share: float = 1.0

    def __str__(self) -> str:
        share = f" to {self.share:.1%} of its cameras" if self.share < 1 else ""
        return f"{self.channel}: {self.name} {self.bundle}, {self.size_bytes / 1e6:.2f} MB{share}"


class Signed(Repository):
    """`tuf.repository.Repository` on a folder: opens the newest version of a role, closes it as the next one.

    Args:
        folder: of the repository.
        signers: by key name, those that this operation needs; a root that changes its own key is signed by both.
    """

    def __init__(self, folder: Path, signers: Mapping[str, Sequence[CryptoSigner]]) -> None:
        self.folder, self.signers = folder, signers
        self.now = datetime.now(timezone.utc).replace(microsecond=0)
        self.metadata, self.files = folder / "metadata", folder / "targets"

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """For `do_snapshot`."""
        return {"targets.json": MetaFile(self.version("targets"))}

    @property
    def snapshot_info(self) -> MetaFile:
        """For `do_timestamp`."""
        return MetaFile(self.version("snapshot"))

    def open(self, role: str) -> Metadata[Any]:
        """The newest version; version 0, without anything, where there is none."""
        version = self.version(role)
        if not version:
            signed = KINDS[role]()
            signed.version = 0
            return Metadata(signed)
        return Metadata.from_file(str(self._file(role, version)))

    def close(self, role: str, md: Metadata[Any]) -> None:
        """Sign it as the next version, and write it whole."""
        md.signed.version += 1
        md.signed.expires = self.now + timedelta(days=DAYS[role])
        md.signatures.clear()
        for signer in self.signers[KEY_OF[role]]:
            md.sign(signer, append=True)
        write_whole(self._file(role, md.signed.version), [md.to_bytes(JSONSerializer(compact=False))])

    def offer(self, targets: Mapping[str, TargetFile], taken_back: Sequence[str]) -> None:
        """Say so where that is news, and let cameras see it."""
        now = self.targets()
        if dict(targets) != now.targets or list(taken_back) != withdrawn(now):
            with self.edit_targets() as changed:
                changed.targets = dict(targets)
                changed.unrecognized_fields[WITHDRAWN] = list(taken_back)
        self.settle()

    def shown(self) -> Targets:
        """What cameras see of the targets; without anything where they see nothing yet."""
        if not self.version("timestamp"):
            return Targets()
        snapshot = Metadata[Snapshot].from_file(str(self._file("snapshot", self.timestamp().snapshot_meta.version)))
        version = snapshot.signed.meta["targets.json"].version
        return Metadata[Targets].from_file(str(self._file("targets", version))).signed

    def settle(self, *, again: bool = False) -> None:
        """Let cameras see what was changed. again: sign even if nothing was, so that it stays current."""
        self.do_snapshot(force=again)
        self.do_timestamp(force=again)

    def version(self, role: str) -> int:
        """The newest; 0 where there is none."""
        if role == "timestamp":
            file = self.metadata / "timestamp.json"
            return int(Metadata.from_file(str(file)).signed.version) if file.exists() else 0
        found = (one.name.partition(".")[0] for one in self.metadata.glob(f"*.{role}.json"))
        return max((int(number) for number in found if number.isdecimal()), default=0)

    def _file(self, role: str, version: int) -> Path:
        return self.metadata / ("timestamp.json" if role == "timestamp" else f"{version}.{role}.json")


def create_repository(folder: Path, keys: KeyRing) -> Path:
    """An empty one; what is missing of one that was begun.

    Returns:
        The file that a camera is enrolled with: `metadata/1.root.json`.

    Raises:
        DeliveryTrouble: RL-DELIVER-001 for a key that cannot be used, -002 when the keys lie in the repository.
    """
    if folder.resolve() in (keys.folder.resolve(), *keys.folder.resolve().parents):
        raise DeliveryTrouble(
            "RL-DELIVER-002",
            f"the keys in {keys.folder} lie in the repository {folder}, which everybody may read",
            hint=f"mv {keys.folder} somewhere else, and name it with --keys",
        )
    repository = Signed(folder, {name: [keys.signer(name)] for name in NAMES})
    for one in (repository.metadata, repository.files):
        one.mkdir(parents=True, exist_ok=True)
    if not repository.version("root"):
        with repository.edit_root() as root:
            root.consistent_snapshot = True
            for role, name in KEY_OF.items():
                root.add_key(repository.signers[name][0].public_key, role)
    if not repository.version("targets"):
        with repository.edit_targets():
            pass
    repository.settle()
    return repository.metadata / "1.root.json"


def publish(folder: Path, bundle: Bundle, channel: str, keys: KeyRing, *, share: float = 1.0) -> Published:
    """Offer a bundle on a channel, instead of what was offered there, or to a share of its cameras beside that.

    Args:
        folder: of a repository.
        bundle: opened, and so checked.
        channel: letters, digits, `-` and `_`.
        keys: `targets` and `online` of them.
        share: of the cameras, 0 to 1; which ones that are is drawn by lot, and the same for every larger share.

    Raises:
        BadConfig: RL-CONFIG-003 for a channel that cannot be called so.
        DeliveryTrouble: RL-DELIVER-001 for a key that cannot be used or is not the repository's, -002 for a folder that
            holds no repository.
    """
    if not re.fullmatch(CHANNEL, channel):
        raise BadConfig("RL-CONFIG-003", f"`{channel}` is no name of a channel", hint="letters, digits, - and _")
    if not 0 < share <= 1:
        raise BadConfig("RL-CONFIG-003", f"{share} is no share of cameras", hint="--share 0.1 is one in ten")
    repository = _opened(folder, keys, "targets", "online")
    content, name = bundle.path.read_bytes(), bundle.manifest.name
    everybody, some = f"{channel}.relens", f"{channel}.next.relens"
    target = TargetFile.from_data(everybody if share == 1 else some, content, ["sha256"])
    file = repository.files / f"{target.hashes['sha256']}.{target.path}"
    if not file.exists():
        write_whole(file, [content])
    now = repository.targets()
    offered = dict(now.targets)
    pieces = to_words(pieces_of(content))
    beside = _beside(target, offered.get(everybody), share)
    target.unrecognized_fields["custom"] = {"name": name, "pieces": pieces, **beside}
    offered[target.path] = target
    if share == 1:
        offered.pop(some, None)
    repository.offer(offered, [one for one in withdrawn(now) if one != bundle.sha256[:12]])
    return Published(channel, name, bundle.sha256[:12], target.length, share)


def roll_back(folder: Path, channel: str, keys: KeyRing, bundle: str | None = None) -> Published | None:
    """Take back what a channel offered last: to a share of its cameras, else to all of them.

    Cameras that run it leave it when they next ask; the channel offers again what it offered before. Given again after
    it was killed, it does the rest, and goes no step further back.

    Args:
        folder: of a repository.
        channel: whose offer.
        keys: `targets` and `online` of them.
        bundle: the id of a bundle: nothing is taken back unless it is what was offered last.

    Returns:
        What the channel offers now; None when that is nothing.

    Raises:
        DeliveryTrouble: as `publish`.
    """
    repository = _opened(folder, keys, "targets", "online")
    now = repository.targets()
    offered, taken_back, shown = dict(now.targets), withdrawn(now), repository.shown()
    seen, last = _last(shown.targets, channel), _last(offered, channel)
    was_killed = seen is not None and _id(seen) in taken_back and _id(seen) not in withdrawn(shown)
    if was_killed or last is None or bundle not in (None, _id(last)):
        repository.settle()
    else:
        del offered[last.path]
        if last.path == f"{channel}.relens" and (before := last.custom.get("before")):
            again = TargetFile(before["length"], {"sha256": before["sha256"]}, last.path)
            again.unrecognized_fields["custom"] = {"name": before["name"], "pieces": before["pieces"]}
            offered[again.path] = again
        repository.offer(offered, [*taken_back, _id(last)])
    return next((one for one in offers(folder) if one.channel == channel and one.share == 1), None)


def withdrawn(targets: Targets) -> list[str]:
    """The bundles that were taken back, by the first 12 digits of their SHA-256."""
    return list(targets.unrecognized_fields.get(WITHDRAWN, ()))


def _last(targets: Mapping[str, TargetFile], channel: str) -> TargetFile | None:
    """What a channel offers to a share of its cameras, else to all of them."""
    return targets.get(f"{channel}.next.relens") or targets.get(f"{channel}.relens")


def _id(target: TargetFile) -> str:
    return target.hashes["sha256"][:12]


def _beside(target: TargetFile, before: TargetFile | None, share: float) -> dict[str, Any]:
    """What is said of a target beside its name: its share, or what the channel offered before."""
    if share < 1:
        return {"share": repr(share)}  # what is signed holds no fractions
    if before is None:
        return {}
    if before.hashes == target.hashes:
        return {key: value for key, value in before.custom.items() if key == "before"}
    told = {key: before.custom[key] for key in ("name", "pieces")}
    return {"before": {**told, "sha256": before.hashes["sha256"], "length": before.length}}


def withdraw(folder: Path, channel: str, keys: KeyRing) -> None:
    """Offer nothing on a channel any more; cameras keep what they run.

    Raises:
        DeliveryTrouble: as `publish`.
    """
    repository = _opened(folder, keys, "targets", "online")
    now = repository.targets()
    names = (f"{channel}.relens", f"{channel}.next.relens")
    repository.offer({path: one for path, one in now.targets.items() if path not in names}, withdrawn(now))


def refresh(folder: Path, keys: KeyRing) -> datetime:
    """Sign what is there once more, so that cameras go on taking it for current; the online key is enough.

    Returns:
        Until when (UTC).

    Raises:
        DeliveryTrouble: as `publish`.
    """
    repository = _opened(folder, keys, "online")
    repository.settle(again=True)
    return repository.now + timedelta(days=DAYS["timestamp"])


def replace_key(folder: Path, keys: KeyRing, name: str) -> None:
    """Let another key count instead of one that is lost or known to others; cameras follow by themselves.

    Needs the root key, and the online one. Where the old key is still there, both sign before the root changes, so that
    cameras trust what they see at every moment; where it is lost, they refuse everything until this is done. What only
    the old key has signed counts no more then. Given again after it was killed, it does the rest.

    Args:
        folder: of a repository.
        keys: its keys; the new one is made among them.
        name: `root`, `targets` or `online`.

    Raises:
        DeliveryTrouble: as `publish`.
    """
    _check_is_repository(folder)
    new, old = keys.next(name), []
    with suppress(DeliveryTrouble):
        old = [keys.signer(name)]
    repository = Signed(folder, {one: [keys.signer(one)] for one in {"root", "online"} - {name}} | {name: [*old, new]})
    roles = [role for role, key in KEY_OF.items() if key == name]

    def sign() -> None:
        if name == "targets":
            with repository.edit_targets():
                pass
        repository.settle(again=True)

    if old:
        sign()
    if new.public_key.keyid not in repository.root().roles[roles[0]].keyids:
        with repository.edit_root() as root:
            for role in roles:
                for keyid in tuple(root.roles[role].keyids):
                    root.revoke_key(keyid, role)
                root.add_key(new.public_key, role)
    if not old:
        sign()
    keys.adopt(name)


def offers(folder: Path) -> list[Published]:
    """What each channel offers, by name of the channel; what it offers to a share of its cameras comes after that.

    Raises:
        DeliveryTrouble: RL-DELIVER-002 for a folder that holds no repository.
    """
    found = _opened(folder, None).targets().targets
    return [
        Published(
            path.removesuffix(".relens").removesuffix(".next"),
            str(one.custom["name"]),
            one.hashes["sha256"][:12],
            one.length,
            float(one.custom.get("share", 1)),
        )
        for path, one in sorted(found.items(), key=lambda item: (item[0].partition(".")[0], "next" in item[0]))
    ]


def _opened(folder: Path, keys: KeyRing | None, *names: str) -> Signed:
    _check_is_repository(folder)
    repository = Signed(folder, {name: [keys.signer(name)] for name in names} if keys else {})
    root = repository.root()
    for name, (signer, *_) in repository.signers.items():
        role = next(role for role, key in KEY_OF.items() if key == name)
        if signer.public_key.keyid not in root.roles[role].keyids:
            raise DeliveryTrouble(
                "RL-DELIVER-001",
                f"{keys and keys.folder}/{name}.pem is not a key of {folder}",
                hint="name the folder of its keys with --keys",
            )
    return repository


def _check_is_repository(folder: Path) -> None:
    if not (folder / "metadata" / "1.root.json").exists():
        raise DeliveryTrouble("RL-DELIVER-002", f"{folder} holds no repository", hint=f"relens keys {folder} makes one")
