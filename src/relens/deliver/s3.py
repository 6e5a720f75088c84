"""A repository on Amazon S3: the same plain files, written in the order in which cameras may see them.

Every object carries its SHA-256, which S3 compares with what arrives. What is there already is not sent again, of a
large file not even the parts that are: a command that is killed goes on where it was. Nothing is ever deleted.
"""

import base64
import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from relens.deliver.aws import client as aws_client
from relens.deliver.aws import explained
from relens.errors import BadConfig, DeliveryTrouble

PART_BYTES = 16 << 20
"""What is as large goes in parts of this size. Never change it: it is part of the checksum of a large file."""

FOREVER = "public, max-age=31536000, immutable"
ADDRESS = r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9._/-]*))?"

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class Place:
    """A bucket, or a folder in it."""

    bucket: str
    prefix: str = ""

    def key(self, name: str) -> str:
        """What a file is called there."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Mirrored:
    """What a mirror took. sent, skipped: names of files. size_bytes: of what was sent."""

    address: str
    sent: tuple[str, ...]
    skipped: tuple[str, ...]
    size_bytes: int

    def __str__(self) -> str:
        size = f"{self.size_bytes / 1e6:.2f} MB"
        return f"{self.address}: {len(self.sent)} files sent, {size}; {len(self.skipped)} were there"


def place(address: str) -> Place:
    """Read `s3://BUCKET[/PREFIX]`.

    Raises:
        BadConfig: RL-CONFIG-003 when it is no such address.
    """
    found = re.fullmatch(ADDRESS, address)
    if not found:
        raise BadConfig("RL-CONFIG-003", f"`{address}` is no place on S3", hint="--mirror s3://BUCKET/PREFIX")
    return Place(found["bucket"], (found["prefix"] or "").strip("/"))


def mirror(
    repository: Path,
    address: str,
    *,
    client: Any = None,
    max_kbit_s: float | None = None,
    progress: Told | None = None,
) -> Mirrored:
    """Bring a repository's files to a bucket; `timestamp.json` comes last, so that cameras see all of it or nothing.

    Args:
        repository: its folder.
        address: `s3://BUCKET[/PREFIX]`.
        client: of boto3, for S3; left out, one is made.
        max_kbit_s: the most that is sent, in kbit/s.
        progress: told a fraction 0..1 and the name of the file.

    Raises:
        BadConfig: RL-CONFIG-003 for an address that is none.
        DeliveryTrouble: RL-DELIVER-002 for a folder that holds no repository, -007 with the file that S3 did not take.
    """
    where = place(address)
    last = repository / "metadata" / "timestamp.json"
    if not last.exists():
        raise DeliveryTrouble(
            "RL-DELIVER-002", f"{repository} holds no repository", hint=f"relens keys {repository} makes one"
        )
    newest = last.read_bytes()  # before the files that it names are listed: what is published meanwhile waits
    files = [*_in_order(repository), last]
    bucket = Bucket(where, client or aws_client("s3"), max_kbit_s)
    sent: list[str] = []
    skipped: list[str] = []
    size = 0
    for number, file in enumerate(files):
        name = file.relative_to(repository).as_posix()
        if progress:
            progress(number / len(files), file.name)
        done = bucket.put(file, name, keep="no-cache", content=newest) if file == last else bucket.put(file, name)
        (skipped if done is None else sent).append(name)
        size += done or 0
    return Mirrored(str(where), tuple(sent), tuple(skipped), size)


class Bucket:
    """Puts files on S3, at a pace.

    Args:
        where: the bucket, and the folder in it.
        client: of boto3, for S3.
        max_kbit_s: the most that is sent, in kbit/s.
    """

    def __init__(self, where: Place, client: Any, max_kbit_s: float | None = None) -> None:
        self.where, self.client = where, client
        self.pace = Pace(max_kbit_s)
        # Signing reads a body too, each time that it is sent: only what goes to the network is slowed down.
        client.meta.events.register_first("request-created.s3", _rest, unique_id="relens-rest")
        client.meta.events.register_last("request-created.s3", _flow, unique_id="relens-flow")

    def put(self, file: Path, name: str, *, keep: str = FOREVER, content: bytes | None = None) -> int | None:
        """Bring one file there, unless it is.

        Args:
            file: on this machine.
            name: what it is called there, below the prefix.
            keep: how long others may keep it: `Cache-Control`.
            content: what to send instead of what the file holds by now; less than `PART_BYTES`.

        Returns:
            How many bytes were sent; None when it was there, with this checksum.

        Raises:
            DeliveryTrouble: RL-DELIVER-007 when S3 does not take it, or it is not the same there.
        """
        key = self.where.key(name)
        how = {"ContentType": "application/json" if name.endswith(".json") else "application/octet-stream"}
        how["CacheControl"] = keep
        with explained(f"{file} -> s3://{self.where.bucket}/{key}"):
            if content is None and file.stat().st_size < PART_BYTES:
                content = file.read_bytes()
            sums = [_sha256(part) for part in ([content] if content is not None else _parts(file))]
            whole = _encoded(sums[0]) if content is not None else f"{_encoded(_sha256(b''.join(sums)))}-{len(sums)}"
            if self._there(key) == whole:
                return None
            if content is not None:
                size, answer = self._put_whole(content, key, whole, how)
            else:
                size, answer = self._put_parts(file, key, sums, how)
            if (answer.get("ChecksumSHA256") or self._there(key)) != whole:
                raise DeliveryTrouble(
                    "RL-DELIVER-007",
                    f"{file} is not the same on {self.where}, or S3 does not say so: its SHA-256 is not {whole}",
                    hint="give the command again; where this is no Amazon S3, take one that keeps ChecksumSHA256",
                )
            return size

    def _there(self, key: str) -> str | None:
        try:
            found = self.client.head_object(Bucket=self.where.bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as trouble:
            if trouble.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None
        checksum: str | None = found.get("ChecksumSHA256")
        return checksum

    def _put_whole(self, content: bytes, key: str, checksum: str, how: dict[str, str]) -> tuple[int, dict[str, Any]]:
        body = Body(content, self.pace)
        answer = self.client.put_object(Bucket=self.where.bucket, Key=key, Body=body, ChecksumSHA256=checksum, **how)
        return len(content), answer

    def _put_parts(self, file: Path, key: str, sums: list[bytes], how: dict[str, str]) -> tuple[int, dict[str, Any]]:
        at = {"Bucket": self.where.bucket, "Key": key}
        upload, there = self._begun(at)
        if upload is None:
            upload = self.client.create_multipart_upload(ChecksumAlgorithm="SHA256", **at, **how)["UploadId"]
        parts, size = [], 0
        for number, content in enumerate(_parts(file), 1):
            checksum = _encoded(sums[number - 1])
            part = there.get(number, {})
            if part.get("ChecksumSHA256") != checksum:
                part = self.client.upload_part(
                    **at,
                    UploadId=upload,
                    PartNumber=number,
                    Body=Body(content, self.pace),
                    ChecksumSHA256=checksum,
                )
                size += len(content)
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum})
        answer = self.client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
        return size, answer

    def _begun(self, at: dict[str, str]) -> tuple[str | None, dict[int, dict[str, Any]]]:
        """The newest upload of this file that was cut off, and its parts by number."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=at["Bucket"], Prefix=at["Key"])
        mine = [
            one
            for page in pages
            for one in page.get("Uploads", ())
            if one["Key"] == at["Key"] and one.get("ChecksumAlgorithm", "SHA256") == "SHA256"
        ]
        if not mine:
            return None, {}
        upload = str(max(mine, key=lambda one: one["Initiated"])["UploadId"])
        pages = self.client.get_paginator("list_parts").paginate(**at, UploadId=upload)
        return upload, {one["PartNumber"]: one for page in pages for one in page.get("Parts", ())}


class Pace:
    """Lets so many kbit a second pass; as many as there are when it is None."""

    def __init__(self, max_kbit_s: float | None) -> None:
        self._bytes_s = max_kbit_s * 125 if max_kbit_s else None
        self._free_at = 0.0

    def wait(self, size_bytes: int) -> None:
        """Until what was let pass before is through."""
        if self._bytes_s:
            now = time.monotonic()
            time.sleep(max(0.0, self._free_at - now))
            self._free_at = max(now, self._free_at) + size_bytes / self._bytes_s


class Body(io.BytesIO):
    """What is sent: read at a pace while it flows."""

    def __init__(self, content: bytes, pace: Pace) -> None:
        super().__init__(content)
        self.flows, self._pace = False, pace

    def read(self, size: int | None = -1, /) -> bytes:
        """A part of it, in time."""
        chunk = super().read(size)
        if self.flows:
            self._pace.wait(len(chunk))
        return chunk


def _rest(request: Any, **_: Any) -> None:
    if isinstance(request.data, Body):
        request.data.flows = False


def _flow(request: Any, **_: Any) -> None:
    if isinstance(request.data, Body):
        request.data.flows = True


def _in_order(repository: Path) -> list[Path]:
    """A repository's files but the last one, each behind those that it names."""
    bundles = sorted(file for file in (repository / "targets").iterdir() if not file.name.startswith("."))
    roles = ("root", "targets", "snapshot")
    return [*bundles, *(file for role in roles for file in _versions(repository / "metadata", role))]


def _versions(metadata: Path, role: str) -> list[Path]:
    found = {int(file.name.partition(".")[0]): file for file in metadata.glob(f"[0-9]*.{role}.json")}
    return [found[number] for number in sorted(found)]


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while part := opened.read(PART_BYTES):
            yield part


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
