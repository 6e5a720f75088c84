"""A signed repository of plain files (The Update Framework 1.0.34), for any web server, disk or bucket.

    REPOSITORY/
      metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
      targets/    HASH.CHANNEL.relens

A channel is a target: what cameras that follow `stable` are to run is `stable.relens`. Files are written in the order
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
from relens.deliver.keys import NAMES, KeyRing
from relens.errors import BadConfig, DeliveryTrouble
from relens.files import write_whole

CHANNEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
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
    """What a channel offers. bundle: the first 12 digits of its SHA-256."""

    channel: str
    name: str
    bundle: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.channel}: {self.name} {self.bundle}, {self.size_bytes / 1e6:.2f} MB"


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


def publish(folder: Path, bundle: Bundle, channel: str, keys: KeyRing) -> Published:
    """Offer a bundle on a channel, instead of what was offered there.

    Args:
        folder: of a repository.
        bundle: opened, and so checked.
        channel: letters, digits, `-` and `_`.
        keys: `targets` and `online` of them.

    Raises:
        BadConfig: RL-CONFIG-003 for a channel that cannot be called so.
        DeliveryTrouble: RL-DELIVER-001 for a key that cannot be used or is not the repository's, -002 for a folder that
            holds no repository.
    """
    if not re.fullmatch(CHANNEL, channel):
        raise BadConfig("RL-CONFIG-003", f"`{channel}` is no name of a channel", hint="letters, digits, - and _")
    repository = _opened(folder, keys, "targets", "online")
    content = bundle.path.read_bytes()
    target = TargetFile.from_data(f"{channel}.relens", content, ["sha256"])
    name = bundle.manifest.name
    target.unrecognized_fields["custom"] = {"name": name}
    file = repository.files / f"{target.hashes['sha256']}.{target.path}"
    if not file.exists():
        write_whole(file, [content])
    if repository.targets().targets.get(target.path) != target:
        with repository.edit_targets() as targets:
            targets.targets[target.path] = target
    repository.settle()
    return Published(channel, name, bundle.sha256[:12], target.length)


def withdraw(folder: Path, channel: str, keys: KeyRing) -> None:
    """Offer nothing on a channel; cameras keep what they run.

    Raises:
        DeliveryTrouble: as `publish`.
    """
    repository = _opened(folder, keys, "targets", "online")
    if f"{channel}.relens" in repository.targets().targets:
        with repository.edit_targets() as targets:
            del targets.targets[f"{channel}.relens"]
    repository.settle()


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
    """What each channel offers, by name of the channel.

    Raises:
        DeliveryTrouble: RL-DELIVER-002 for a folder that holds no repository.
    """
    found = _opened(folder, None).targets().targets
    return [
        Published(path.removesuffix(".relens"), str(one.custom["name"]), one.hashes["sha256"][:12], one.length)
        for path, one in sorted(found.items())
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
