"""A repository on S3, against a server that checks checksums: what cameras see is whole at every moment."""

import hashlib
import itertools
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from relens.deliver import KeyRing, create_repository, make_keys, publish, refresh, s3
from relens.deliver.s3 import Bucket, Place, mirror
from relens.device.agent import Store
from relens.device.agent.trust import enrol, fetch
from relens.errors import BadConfig, DeliveryTrouble

# python-tuf and boto3 leave their connections to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
PASSPHRASE = "correct horse"


@pytest.fixture
def keys(tmp_path) -> KeyRing:
    return make_keys(tmp_path / "keys", PASSPHRASE)


@pytest.fixture
def repository(tmp_path, keys, bundles) -> Path:
    create_repository(tmp_path / "repository", keys)
    publish(tmp_path / "repository", bundles[0], "stable", keys)
    return tmp_path / "repository"


@pytest.fixture
def client(at_emulator):
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def small_parts(monkeypatch) -> int:
    """As small as S3 takes them."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    return 5 << 20


def test_a_camera_takes_a_bundle_from_a_mirrored_bucket(repository, keys, bundles, bucket, at_emulator, tmp_path):
    done = mirror(repository, f"s3://{bucket}/yard/cams")
    assert set(done.sent) == {str(file.relative_to(repository)) for file in repository.rglob("*.*")}
    assert (done.skipped, done.address) == ((), f"s3://{bucket}/yard/cams")
    camera = Store(tmp_path / "camera")
    enrol(camera, repository / "metadata/1.root.json", f"{at_emulator}/{bucket}/yard/cams")
    assert fetch(camera, "cam1") == bundles[0].sha256[:12]
    publish(repository, bundles[1], "stable", keys)
    assert "4 files sent" in str(mirror(repository, f"s3://{bucket}/yard/cams"))
    assert fetch(camera, "cam1") == bundles[1].sha256[:12]


def test_files_come_behind_those_that_they_name_and_the_newest_is_not_kept(repository, keys, bucket, client):
    refresh(repository, keys)
    names = []
    client.meta.events.register("provide-client-params.s3.PutObject", lambda params, **_: names.append(params["Key"]))
    mirror(repository, f"s3://{bucket}", client=client)
    assert re.fullmatch(r"targets/\w{64}\.stable\.relens", names[0])
    versions = [f"metadata/{n}.targets.json" for n in (1, 2)] + [f"metadata/{n}.snapshot.json" for n in (1, 2, 3)]
    assert names[1:] == ["metadata/1.root.json", *versions, "metadata/timestamp.json"]
    kept = {name: client.head_object(Bucket=bucket, Key=name)["CacheControl"] for name in names}
    assert kept.pop("metadata/timestamp.json") == "no-cache"
    assert set(kept.values()) == {s3.FOREVER}


def test_what_is_there_is_not_sent_again(repository, keys, bucket, listed):
    first = mirror(repository, f"s3://{bucket}")
    before = listed(bucket)
    again = mirror(repository, f"s3://{bucket}")
    assert (again.sent, again.size_bytes) == ((), 0) and set(again.skipped) == set(first.sent)
    refresh(repository, keys)
    assert mirror(repository, f"s3://{bucket}").sent == ("metadata/3.snapshot.json", "metadata/timestamp.json")
    assert listed(bucket).items() >= {k: v for k, v in before.items() if "timestamp" not in k}.items()


def test_what_is_published_meanwhile_is_left_for_the_next_time(
    repository, keys, bundles, bucket, client, at_emulator, tmp_path
):
    def meanwhile(_: float, name: str) -> None:
        if name == "timestamp.json":
            publish(repository, bundles[1], "stable", keys)

    mirror(repository, f"s3://{bucket}", client=client, progress=meanwhile)
    camera = Store(tmp_path / "camera")
    enrol(camera, repository / "metadata/1.root.json", f"{at_emulator}/{bucket}")
    assert fetch(camera, "cam1") == bundles[0].sha256[:12], "whole"
    mirror(repository, f"s3://{bucket}", client=client)
    assert fetch(camera, "cam1") == bundles[1].sha256[:12]


@pytest.mark.parametrize("wrong", ["", "s3://", "s3://A/b", "s3://b", "https://bucket/x", "s3://bucket/a b", "bucket"])
def test_what_is_no_address_is_refused(repository, wrong, at_emulator):
    with pytest.raises(BadConfig, match="RL-CONFIG-003"):
        mirror(repository, wrong)


def test_what_is_no_repository_is_refused(tmp_path, bucket):
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-002"):
        mirror(tmp_path, f"s3://{bucket}")


def flip(request, **_) -> None:
    """One bit of what goes over the network."""
    if request.method == "PUT" and request.body is not None:
        content = bytearray(request.body.read() if hasattr(request.body, "read") else request.body)
        content[len(content) // 2] ^= 1
        request.body = bytes(content)


def test_a_flipped_bit_is_refused_and_the_file_is_named(repository, bucket, client, listed):
    events = client.meta.events
    events.register("before-send.s3.PutObject", flip)
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-007: .*\.stable\.relens -> s3://.*BadDigest") as told:
        mirror(repository, f"s3://{bucket}", client=client)
    assert "give the command again" in told.value.hint
    assert listed(bucket) == {}, "nothing was taken"
    events.unregister("before-send.s3.PutObject", flip)
    assert mirror(repository, f"s3://{bucket}", client=client).skipped == ()


def test_a_flipped_bit_in_a_part_is_refused_and_the_rest_is_kept(tmp_path, bucket, client, small_parts):
    file = _large(tmp_path / "large.relens", 2 * small_parts + 1000)
    place = Bucket(Place(bucket), client)

    def flip_second(request, **more) -> None:
        if "partNumber=2" in request.url:
            flip(request, **more)

    client.meta.events.register("before-send.s3.UploadPart", flip_second)
    with pytest.raises(DeliveryTrouble, match=r"large\.relens.*UploadPart: BadDigest.*s3:PutObject"):
        place.put(file, "large.relens")
    client.meta.events.unregister("before-send.s3.UploadPart", flip_second)
    assert place.put(file, "large.relens") == file.stat().st_size - small_parts, "not the first part again"
    assert client.get_object(Bucket=bucket, Key="large.relens")["Body"].read() == file.read_bytes()


def test_a_server_that_keeps_no_checksum_is_refused(repository, bucket, client):
    client.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.pop("ChecksumSHA256", None))
    with pytest.raises(DeliveryTrouble, match=r"is not the same on s3://.*or S3 does not say so"):
        mirror(repository, f"s3://{bucket}", client=client)


class Way:
    """The network between: a real TCP connection that is cut after so many bytes, until it is mended."""

    def __init__(self, to: str) -> None:
        self._to = ("127.0.0.1", int(to.rpartition(":")[2]))
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.left: float = float("inf")
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listens.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listens.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            for source, target, counts in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=(source, target, counts), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        try:
            while self.left > 0 and (chunk := source.recv(1 << 16)):
                self.left -= len(chunk) if counts else 0
                target.sendall(chunk)
        except OSError:
            pass
        for one in (source, target):
            one.close() if self.left > 0 else one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listens.close()


@pytest.fixture
def way(at_emulator) -> Iterator[Way]:
    found = Way(at_emulator)
    yield found
    found.close()


def test_an_upload_that_is_cut_off_goes_on_where_it_was(tmp_path, bucket, way, client, small_parts):
    file = _large(tmp_path / "large.relens", 4 * small_parts + 1000)
    through = boto3.client("s3", endpoint_url=way.address, config=Config(retries={"total_max_attempts": 1}))
    way.left = 2.5 * small_parts
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-007: .*large\.relens"):
        Bucket(Place(bucket, "a"), through).put(file, "large.relens")
    way.left = float("inf")
    numbers = []
    through.meta.events.register("before-send.s3.UploadPart", lambda request, **_: numbers.append(request.url[-200:]))
    assert Bucket(Place(bucket, "a"), through).put(file, "large.relens") == 2 * small_parts + 1000
    assert [re.findall(r"partNumber=(\d)", url)[0] for url in numbers] == ["3", "4", "5"]
    got = client.get_object(Bucket=bucket, Key="a/large.relens")["Body"].read()
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    assert Bucket(Place(bucket, "a"), client).put(file, "large.relens") is None


def test_a_part_of_another_content_is_sent_again(tmp_path, bucket, client, small_parts):
    place, at = Bucket(Place(bucket), client), {"Bucket": bucket, "Key": "large.relens"}
    upload = client.create_multipart_upload(**at, ChecksumAlgorithm="SHA256")["UploadId"]
    client.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"x" * small_parts, ChecksumAlgorithm="SHA256")
    file = _large(tmp_path / "large.relens", small_parts)
    assert place.put(file, "large.relens") == small_parts
    assert client.get_object(**at)["Body"].read() == file.read_bytes()


def _dying(moment: int, killed: type[Exception]):
    """A client whose request number `moment` ends the command."""
    made, left = boto3.client("s3"), iter(range(moment))

    def die(**_) -> None:
        if next(left, None) is None:
            raise killed

    made.meta.events.register("before-send.s3", die)
    return made


def test_a_mirror_that_is_killed_at_any_moment_and_given_again_comes_to_the_same_end(
    repository, keys, bundles, bucket, client, listed, at_emulator, tmp_path, killed
):
    publish(repository, bundles[1], "stable", keys)
    whole = set(mirror(repository, f"s3://{bucket}/whole", client=client).sent)
    for moment in itertools.count():
        at = f"s3://{bucket}/at-{moment}"
        try:
            mirror(repository, at, client=_dying(moment, killed))
        except killed:
            left = mirror(repository, at, client=client)
            assert {*left.sent, *left.skipped} == whole
            assert left.skipped == () or "metadata/timestamp.json" in left.sent or left.sent == (), "it comes last"
        else:
            break
    assert moment >= 2 * len(whole)
    found = listed(bucket)
    for number in range(moment):
        for name in whole:
            assert found[f"at-{number}/{name}"] == found[f"whole/{name}"]
    camera = Store(tmp_path / "camera")
    enrol(camera, repository / "metadata/1.root.json", f"{at_emulator}/{bucket}/at-3")
    assert fetch(camera, "cam1") == bundles[1].sha256[:12]


def test_a_large_file_that_is_killed_at_any_moment_and_given_again_is_the_same(
    tmp_path, bucket, client, listed, small_parts, killed
):
    file = _large(tmp_path / "large.relens", small_parts + 1000)
    for moment in itertools.count():
        try:
            Bucket(Place(bucket), _dying(moment, killed)).put(file, f"{moment}.relens")
        except killed:
            Bucket(Place(bucket), client).put(file, f"{moment}.relens")
        else:
            break
    assert moment == 6, "look, find uploads, begin, two parts, complete"
    assert len({*listed(bucket).values()}) == 1 and len(listed(bucket)) == 7
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_real_kill_of_the_command_and_the_command_again(repository, keys, bundles, bucket, listed, tmp_path):
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    secret = ("--keys", keys.folder, "--passphrase-file", tmp_path / "passphrase")
    address = f"s3://{bucket}/yard"
    slow = _relens("refresh", repository, *secret, "--mirror", address, "--mirror-kbit-s", "100")
    for _ in range(300):
        time.sleep(0.1)
        if listed(bucket):
            break
    slow.send_signal(signal.SIGKILL)
    slow.communicate()
    assert "yard/metadata/timestamp.json" not in listed(bucket)
    again = _relens("publish", bundles[1].path, repository, *secret, "--mirror", address)
    out, err = again.communicate(timeout=60)
    assert (again.returncode, out[:11]) == (0, "stable: two"), err
    assert "were there" in err and "yard/metadata/timestamp.json" in listed(bucket)
    assert mirror(repository, address).sent == ()


def test_no_more_is_sent_than_was_allowed(tmp_path, bucket, client):
    file = _large(tmp_path / "some.relens", 150_000)
    began = time.monotonic()
    assert Bucket(Place(bucket), client, max_kbit_s=1200).put(file, "some.relens") == 150_000
    took = time.monotonic() - began
    assert 0.8 < took < 1.9, f"{took:.2f} s for 150 kB at 150 kB/s: sent in time, and signed at once"


def test_no_credentials_and_no_answer_are_told_with_what_to_do(repository, monkeypatch, bucket):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-007.*Could not connect"):
        mirror(
            repository, f"s3://{bucket}", client=boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
        )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-007.*Unable to locate credentials") as told:
        mirror(repository, f"s3://{bucket}")
    assert "aws sts get-caller-identity" in told.value.hint


def test_a_bucket_that_is_not_there_is_told_with_the_permission(repository, at_emulator):
    with pytest.raises(DeliveryTrouble, match=r"PutObject: NoSuchBucket.*it takes s3:PutObject"):
        mirror(repository, "s3://nobodys-bucket")


def test_a_secret_is_seen_nowhere(repository, keys, bucket, tmp_path, caplog):
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    caplog.set_level(logging.DEBUG)
    mirror(repository, f"s3://{bucket}")
    with pytest.raises(DeliveryTrouble) as told:
        mirror(repository, "s3://nobodys-bucket")
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    access = ("--keys", keys.folder, "--passphrase-file", tmp_path / "passphrase", "--mirror", "s3://nobodys-bucket")
    out, err = _relens("refresh", repository, *access).communicate(timeout=60)
    assert "NoSuchBucket" in err
    said = [str(told.value), repr(told.value.details), caplog.text, out, err]
    assert not [text for text in said if secret in text]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files and not [file for file in files if secret.encode() in file.read_bytes()]


def _large(file: Path, size: int) -> Path:
    file.write_bytes(random.Random(7).randbytes(size))
    return file


def _relens(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "relens", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
