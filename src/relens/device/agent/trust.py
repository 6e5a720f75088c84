"""What a camera follows: a channel of a signed repository, whose root it has pinned (The Update Framework 1.0.34).

STATE/trust/
  follows.json    {"repository": ..., "channel": ..., "enrolled_s": ..., "root": what was pinned then}
  metadata/       what the repository has said last: nothing older is taken any more
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher
from urllib3.exceptions import HTTPError

from relens.device.agent.store import ID_DIGITS, Store
from relens.device.events.log import CLOCK_SET_S
from relens.errors import DeliveryTrouble
from relens.files import write_whole

SILENT_S = 20
CHUNK = 1 << 16


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
    try:
        content = root.read_bytes()
        found: Metadata[Root] = Metadata[Root].from_bytes(content)
        found.signed.verify_delegate("root", found.signed_bytes, found.signatures)
    except OSError as trouble:
        raise _distrust(f"{root}: {trouble.strerror}", "take metadata/1.root.json of the repository") from None
    except (RepositoryError, ValueError, AttributeError):
        raise _distrust(f"{root} is no root of trust", "take metadata/1.root.json of the repository") from None
    local = "://" not in repository
    place = str(Path(repository).expanduser().absolute()) if local else repository
    follows = Follows(place, channel, time.time(), content.decode())
    folder = _folder(store)
    folder.mkdir(exist_ok=True)
    write_whole(store.follows, [json.dumps(asdict(follows)).encode()])
    shutil.rmtree(folder / "metadata", ignore_errors=True)  # of a repository that is followed no more
    store.journal.note("enrolled", repository=follows.repository, channel=channel)
    return follows


def follows(store: Store) -> Follows | None:
    """What this camera follows; None when it was never enrolled."""
    try:
        return Follows(**json.loads(store.follows.read_bytes()))
    except FileNotFoundError:
        return None


def fetch(store: Store, silent_s: int = SILENT_S) -> str | None:
    """Ask the repository, and put what it offers into the inbox unless it is here, or has failed here.

    Args:
        store: the camera's disk.
        silent_s: a server may say nothing for so long.

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
        updater = _updater(store, followed, silent_s)
        updater.refresh()
        offered = updater.get_targetinfo(f"{followed.channel}.relens")
        if offered is None or _is_here(store, offered):
            return None
        with tempfile.TemporaryDirectory(prefix="coming-", dir=_folder(store)) as folder:
            content = Path(updater.download_target(offered, f"{folder}/bundle")).read_bytes()
    store.inbox.put(content)
    return _id(offered)


def _updater(store: Store, followed: Follows, silent_s: int) -> Updater:
    base = followed.repository.rstrip("/")
    remote = urlsplit(base).scheme in ("http", "https")
    if not remote:
        base = Path(base).as_uri()
    metadata = _folder(store) / "metadata"
    metadata.mkdir(exist_ok=True)
    fetcher = Urllib3Fetcher(silent_s, app_user_agent="relens") if remote else FolderFetcher()
    return Updater(
        str(metadata),
        f"{base}/metadata/",
        target_base_url=f"{base}/targets/",
        fetcher=fetcher,
        bootstrap=followed.root.encode(),
    )


def _is_here(store: Store, offered: TargetFile) -> bool:
    """Also what waits in the inbox, or was marked bad."""
    waiting = (_sha256(file)[:ID_DIGITS] for file in store.inbox.waiting())
    return _id(offered) in {*store.stored(), *waiting}


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


class FolderFetcher(FetcherInterface):
    """A repository on a stick or a shared disk."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with Path(url2pathname(urlsplit(url).path)).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise DownloadHTTPError("no such file", 404) from None
