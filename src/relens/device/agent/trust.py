"""What a camera follows: a channel of a signed repository, whose root it has pinned (The Update Framework 1.0.34).

STATE/trust/
  follows.json    {"repository": ..., "channel": ..., "enrolled_s": ..., "root": what was pinned then}
  metadata/       what the repository has said last: nothing older is taken any more
  coming/         what has come of a bundle so far
  offer           -> ID     a cell: what it offered last
  withdrawn       -> ID     a cell: what it took back, and runs on for want of another
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api.exceptions import (
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface
from urllib3.exceptions import HTTPError

from relens.bundle.pieces import from_words
from relens.device.agent.cell import read_cell, write_cell
from relens.device.agent.download import FolderFetcher, Pace, Wanted, WebFetcher, kept_pieces
from relens.device.agent.draw import draw
from relens.device.agent.store import FILE, ID_DIGITS, Store
from relens.device.events.log import CLOCK_SET_S
from relens.errors import DeliveryTrouble, DeviceTrouble
from relens.files import write_whole

PACE = Pace()
WITHDRAWN = "x-relens-withdrawn"
"""In the signed list of targets: the bundles that were taken back, by id."""

TAKEN_BACK = "withdrawn by the repository"


@dataclass(frozen=True)
class Follows:
    """repository: an `http(s)://` address or a folder, with `metadata/` and `targets/` in it. root: a signed JSON."""

    repository: str
    channel: str
    enrolled_s: float
    root: str = field(repr=False)


def enrol(store: Store, root: Path, repository: str, channel: str = "stable") -> Follows:
    """Pin a root, and follow a channel from now on; what was followed before is forgotten.

    Args:
        store: the camera's disk.
        root: a `N.root.json`, brought by a way that can be trusted.
        repository: an address, or a folder on this machine.
        channel: what this camera is to run.

    Raises:
        DeliveryTrouble: RL-DELIVER-004 when this is no root that has signed itself.
    """
    content = read_root(root)
    local = "://" not in repository
    place = str(Path(repository).expanduser().absolute()) if local else repository
    follows = Follows(place, channel, time.time(), content.decode())
    folder = _folder(store)
    folder.mkdir(exist_ok=True)
    write_whole(store.follows, [json.dumps(asdict(follows)).encode()])
    shutil.rmtree(folder / "metadata", ignore_errors=True)  # of a repository that is followed no more
    (folder / "offer").unlink(missing_ok=True)
    store.journal.note("enrolled", repository=follows.repository, channel=channel)
    return follows


def read_root(root: Path) -> bytes:
    """A `N.root.json`, as it stands.

    Raises:
        DeliveryTrouble: RL-DELIVER-004 when this is no root that has signed itself.
    """
    try:
        content = root.read_bytes()
        found: Metadata[Root] = Metadata[Root].from_bytes(content)
        found.signed.verify_delegate("root", found.signed_bytes, found.signatures)
    except OSError as trouble:
        raise _distrust(f"{root}: {trouble.strerror}", "take metadata/1.root.json of the repository") from None
    except (RepositoryError, ValueError, AttributeError):
        raise _distrust(f"{root} is no root of trust", "take metadata/1.root.json of the repository") from None
    return content


def follows(store: Store) -> Follows | None:
    """What this camera follows; None when it was never enrolled."""
    try:
        return Follows(**json.loads(store.follows.read_bytes()))
    except FileNotFoundError:
        return None


def fetch(store: Store, camera: str, pace: Pace = PACE) -> str | None:
    """Ask the repository: leave what it has taken back, and put what it offers into the inbox.

    What is here already is put there only when the offer has changed to it: a camera where somebody has installed
    another bundle by hand keeps that until there is a new offer. What has failed here is not taken again.

    Args:
        store: the camera's disk.
        camera: its name, by which it is among those that a bundle is offered to, or not yet.
        pace: how fast a web server has to be, and may be.

    Returns:
        The id of what was brought; None when there is nothing new.

    Raises:
        DeliveryTrouble: RL-DELIVER-003 to -006; what runs goes on running.
    """
    followed = follows(store)
    if followed is None:
        raise DeliveryTrouble(
            "RL-DELIVER-006",
            f"the camera of {store.folder} follows no repository",
            hint="relens device enrol 1.root.json REPOSITORY",
        )
    _check_clock(followed)
    with _explained(followed.repository):
        fetcher = _fetcher(followed, pace)
        updater = _updater(store, followed, fetcher)
        updater.refresh()
        taken_back = _taken_back(store)
        _leave(store, taken_back)
        offered = _offered(updater, followed.channel, camera, taken_back)
        content = None
        if offered is not None and _is_news(store, offered):
            content = _kept(store, offered) or _brought(store, updater, fetcher, offered)
            store.inbox.put(content)
        _note_offer(store, offered)
    return _id(offered) if offered is not None and content is not None else None


def _brought(store: Store, updater: Updater, fetcher: FetcherInterface, offered: TargetFile) -> bytes:
    """From the repository; what has come of it stays for the next question, unless it is wrong."""
    folder = _folder(store) / "coming"
    folder.mkdir(exist_ok=True)
    at = folder / offered.hashes["sha256"]
    for other in folder.iterdir():
        if other.is_dir():  # of a question that was killed
            shutil.rmtree(other)
        elif other != at:
            other.unlink()
    pieces = from_words(str((offered.custom or {}).get("pieces", "")))
    mine = kept_pieces((one.folder / FILE for one in store.stored().values()), pieces)
    while True:
        begun_with = at.exists() or bool(mine)
        if isinstance(fetcher, WebFetcher):
            fetcher.wanted = Wanted(offered.length, at, tuple(pieces), mine)
        try:
            with tempfile.TemporaryDirectory(dir=folder) as room:
                content = Path(updater.download_target(offered, f"{room}/bundle")).read_bytes()
            break
        except (RepositoryError, DownloadLengthMismatchError):
            at.unlink(missing_ok=True)
            if not begun_with:
                raise
            mine = {}  # whoever was wrong, it may not have been this server: the whole once more
    at.unlink(missing_ok=True)
    return content


def _offered(updater: Updater, channel: str, camera: str, taken_back: Sequence[str]) -> TargetFile | None:
    """What is offered to this camera."""
    new, found = (updater.get_targetinfo(f"{channel}{which}.relens") for which in (".next", ""))
    if new is not None and draw(camera, new.hashes["sha256"]) < float(new.custom["share"]):
        found = new
    return None if found is None or _id(found) in taken_back else found


def _note_offer(store: Store, offered: TargetFile | None) -> None:
    cell = _folder(store) / "offer"
    if offered is None:
        cell.unlink(missing_ok=True)
    elif read_cell(cell) != _id(offered):
        write_cell(cell, _id(offered))


def _taken_back(store: Store) -> Sequence[str]:
    """From what has just been verified."""
    said = Metadata[Targets].from_file(str(_folder(store) / "metadata/targets.json"))
    return tuple(said.signed.unrecognized_fields.get(WITHDRAWN, ()))


def _leave(store: Store, taken_back: Sequence[str]) -> None:
    """Go back from what was taken back; where there is no way back it runs on, and that is noted once."""
    for bundle, stored in store.stored().items():
        if stored.bad == TAKEN_BACK and bundle not in taken_back:
            store.pardon(bundle)
    active, noted = store.standing().active, _folder(store) / "withdrawn"
    if active is None or active not in taken_back:
        return
    try:
        store.roll_back(TAKEN_BACK, active)
    except DeviceTrouble as trouble:
        if read_cell(noted) != active:
            store.journal.note("withdrawn", bundle=active, why=trouble.message)
            write_cell(noted, active)


def _is_news(store: Store, offered: TargetFile) -> bool:
    """Whether it is to be brought: it is not here, or is here and was not what was offered last."""
    bundle, stored = _id(offered), store.stored()
    if bundle in {_sha256(file)[:ID_DIGITS] for file in store.inbox.waiting()}:
        return False
    if bundle not in stored:
        return True
    is_new = read_cell(_folder(store) / "offer") != bundle
    return is_new and stored[bundle].bad is None and store.standing().active != bundle


def _kept(store: Store, offered: TargetFile) -> bytes | None:
    """From this camera's own disk, where it is there as it was signed for."""
    with suppress(OSError):
        content = (store.bundles / _id(offered) / FILE).read_bytes()
        if hashlib.sha256(content).hexdigest() == offered.hashes["sha256"]:
            return content
    return None


def _fetcher(followed: Follows, pace: Pace) -> FetcherInterface:
    return WebFetcher(pace) if urlsplit(followed.repository).scheme in ("http", "https") else FolderFetcher()


def _updater(store: Store, followed: Follows, fetcher: FetcherInterface) -> Updater:
    base = followed.repository.rstrip("/")
    if isinstance(fetcher, FolderFetcher):
        base = Path(base).as_uri()
    metadata = _folder(store) / "metadata"
    metadata.mkdir(exist_ok=True)
    return Updater(
        str(metadata),
        f"{base}/metadata/",
        target_base_url=f"{base}/targets/",
        fetcher=fetcher,
        bootstrap=followed.root.encode(),
    )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _id(offered: TargetFile) -> str:
    return offered.hashes["sha256"][:ID_DIGITS]


def _check_clock(followed: Follows) -> None:
    """A clock that was never set would take what has expired for current, or the other way round."""
    if time.time() < max(CLOCK_SET_S, followed.enrolled_s):
        raise DeliveryTrouble(
            "RL-DELIVER-005",
            "this machine's clock shows a time before the camera was enrolled: nothing can be judged by it",
            hint="relens device doctor shows how to set it; the repository is asked again after that",
        )


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    try:
        yield
    except ExpiredMetadataError as trouble:
        raise DeliveryTrouble(
            "RL-DELIVER-005",
            f"{repository}: {trouble}",
            hint="whoever runs it gives: relens refresh REPOSITORY --keys KEYS; what runs goes on running",
        ) from None
    except (RepositoryError, DownloadLengthMismatchError) as trouble:
        why = str(trouble) or type(trouble).__name__
        raise _distrust(f"{repository}: {why}", "nothing of it was taken; ask whoever runs it") from None
    except (DownloadError, HTTPError, OSError) as trouble:
        raise DeliveryTrouble(
            "RL-DELIVER-003",
            f"{repository} cannot be read, or kept here: {str(trouble) or type(trouble).__name__}",
            hint=f"curl -v {repository}/metadata/timestamp.json, from this camera",
        ) from None


def _distrust(what: str, hint: str) -> DeliveryTrouble:
    return DeliveryTrouble("RL-DELIVER-004", what, hint=hint)


def _folder(store: Store) -> Path:
    return store.follows.parent
