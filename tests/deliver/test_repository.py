"""The desk's side: keys that only their owner can use, and a repository that no kill leaves half changed."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from relens.deliver import (
    KeyRing,
    create_repository,
    make_keys,
    offers,
    publish,
    refresh,
    replace_key,
    repository,
    roll_back,
    withdraw,
)
from relens.device.agent import Store
from relens.device.agent.trust import enrol, fetch
from relens.errors import BadConfig, DeliveryTrouble

PASSPHRASE = "correct horse"


@pytest.fixture
def keys(tmp_path) -> KeyRing:
    return make_keys(tmp_path / "keys", PASSPHRASE)


@pytest.fixture
def folder(tmp_path, keys) -> Path:
    create_repository(tmp_path / "repository", keys)
    return tmp_path / "repository"


def test_keys_are_encrypted_and_their_owners_alone(keys) -> None:
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    for file in keys.folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-001"):
        KeyRing(keys.folder, "another one").signer("root")
    with pytest.raises(DeliveryTrouble, match="8 characters"):
        make_keys(keys.folder, "short")
    before = {file: file.read_bytes() for file in keys.folder.iterdir()}
    make_keys(keys.folder, PASSPHRASE)
    assert {file: file.read_bytes() for file in keys.folder.iterdir()} == before, "none is replaced"


def test_keys_do_not_lie_in_the_repository(tmp_path) -> None:
    for place in ("repository", "repository/deep/keys"):
        keys = make_keys(tmp_path / place, PASSPHRASE)
        with pytest.raises(DeliveryTrouble, match="RL-DELIVER-002"):
            create_repository(tmp_path / "repository", keys)


def test_a_channel_offers_what_was_published_last(folder, keys, bundles) -> None:
    one, two = bundles
    publish(folder, one, "stable", keys)
    publish(folder, two, "canary", keys)
    assert [(offer.channel, offer.name) for offer in offers(folder)] == [("canary", "two"), ("stable", "one")]
    published = publish(folder, two, "stable", keys)
    assert published.bundle == two.sha256[:12] and "stable: two" in str(published)
    withdraw(folder, "canary", keys)
    withdraw(folder, "canary", keys)
    assert [offer.channel for offer in offers(folder)] == ["stable"]
    for channel in ("", "a/b", "..", "a.b", "-a", "x" * 41):
        with pytest.raises(BadConfig, match="RL-CONFIG-003"):
            publish(folder, one, channel, keys)


def test_what_does_not_fit_together_is_told(folder, keys, bundles, tmp_path) -> None:
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-002.*no repository"):
        publish(tmp_path / "empty", bundles[0], "stable", keys)
    others = make_keys(tmp_path / "other keys", PASSPHRASE)
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-001.*is not a key of"):
        publish(folder, bundles[0], "stable", others)
    (keys.folder / "targets.pem").unlink()
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-001.*targets\.pem"):
        publish(folder, bundles[0], "stable", keys)
    refresh(folder, keys)  # the online key is enough


def test_publishing_again_changes_nothing_and_refreshing_only_what_is_newest(folder, keys, bundles) -> None:
    publish(folder, bundles[0], "stable", keys)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    publish(folder, bundles[0], "stable", keys)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    refresh(folder, keys)
    changed = {file.name for file in folder.rglob("*.json") if before.get(file) != file.read_bytes()}
    assert changed == {"timestamp.json", "3.snapshot.json"}


class Killed(Exception):
    """At this moment."""


@pytest.mark.parametrize("work", ["publish", "targets", "online", "root"])
def test_a_command_that_is_killed_and_given_again_comes_to_the_same_end(tmp_path, bundles, monkeypatch, work) -> None:
    one, two = bundles
    write = repository.write_whole
    for moment in itertools.count():
        desk = tmp_path / f"{work} {moment}"
        keys = make_keys(desk / "keys", PASSPHRASE)
        root = create_repository(desk / "repository", keys)
        publish(desk / "repository", one, "stable", keys)
        left = iter(range(moment))

        def write_or_die(path: Path, parts, left=left, **options) -> None:
            if next(left, None) is None:
                raise Killed
            write(path, parts, **options)

        def act(desk=desk, keys=keys) -> None:
            if work != "publish":
                replace_key(desk / "repository", keys, work)
            publish(desk / "repository", two, "stable", keys)

        monkeypatch.setattr(repository, "write_whole", write_or_die)
        try:
            act()
        except Killed:
            monkeypatch.setattr(repository, "write_whole", write)
            camera = Store(desk / "early")
            enrol(camera, root, str(desk / "repository"))
            assert fetch(camera, "cam1") in (one.sha256[:12], two.sha256[:12]), "whole at every moment"
            act()
            assert fetch(camera, "cam1") in (None, two.sha256[:12])
            late = Store(desk / "late")
            enrol(late, root, str(desk / "repository"))
            assert fetch(late, "cam1") == two.sha256[:12]
            shutil.rmtree(desk)
        else:
            assert moment >= 4
            break


@pytest.mark.parametrize("staged", [True, False])
def test_a_rollback_that_is_killed_and_given_again_goes_back_once(tmp_path, bundles, monkeypatch, staged) -> None:
    one, two = (bundle.sha256[:12] for bundle in bundles)
    write = repository.write_whole
    for moment in itertools.count():
        folder, keys = tmp_path / f"{moment}/repository", make_keys(tmp_path / f"{moment}/keys", PASSPHRASE)
        create_repository(folder, keys)
        publish(folder, bundles[1], "stable", keys)
        publish(folder, bundles[0], "stable", keys)
        publish(folder, bundles[1], "stable", keys, share=0.5 if staged else 1.0)
        left = iter(range(moment))

        def write_or_die(path: Path, parts, left=left, **options) -> None:
            if next(left, None) is None:
                raise Killed
            write(path, parts, **options)

        monkeypatch.setattr(repository, "write_whole", write_or_die)
        killed = False
        try:
            roll_back(folder, "stable", keys)
        except Killed:
            killed = True
        monkeypatch.setattr(repository, "write_whole", write)
        if killed:
            roll_back(folder, "stable", keys)
        assert [(offer.bundle, offer.share) for offer in offers(folder)] == [(one, 1.0)], "one step, and no further"
        found = Metadata.from_file(str(max((folder / "metadata").glob("*.targets.json"), key=number))).signed
        assert repository.withdrawn(found) == [two]
        if not killed:
            assert moment == 3
            break


def test_a_rollback_of_another_channel_that_was_killed_is_not_taken_for_this_one(
    folder, keys, bundles, monkeypatch
) -> None:
    one, two = bundles
    for bundle, other in ((one, two), (two, one)):
        publish(folder, bundle, "stable", keys)
        publish(folder, other, "canary", keys)
    with monkeypatch.context() as patch:
        patch.setattr(repository.Signed, "settle", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            roll_back(folder, "canary", keys)
    assert roll_back(folder, "stable", keys).bundle == one.sha256[:12]


def test_only_the_bundle_that_is_named_is_taken_back(folder, keys, bundles) -> None:
    one, two = bundles
    publish(folder, one, "stable", keys)
    publish(folder, two, "stable", keys, share=0.5)
    for _ in range(2):
        roll_back(folder, "stable", keys, one.sha256[:12])
        assert len(offers(folder)) == 2, "it is not what was offered last"
    for _ in range(2):
        roll_back(folder, "stable", keys, two.sha256[:12])
        assert [offer.bundle for offer in offers(folder)] == [one.sha256[:12]]


def number(file: Path) -> int:
    return int(file.name.partition(".")[0])


def test_expiry_is_what_was_said(folder, keys) -> None:
    until = refresh(folder, keys)
    assert Metadata.from_file(str(folder / "metadata/timestamp.json")).signed.expires == until


def test_the_command_line_goes_the_whole_way(tmp_path, bundles) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    secret = ("--keys", tmp_path / "keys", "--passphrase-file", tmp_path / "passphrase")
    repo = tmp_path / "repository"
    assert "1.root.json" in relens("keys", repo, *secret)
    assert json.loads(relens("publish", bundles[0].path, repo, *secret, "--json"))["channel"] == "stable"
    assert "follows stable" in relens(
        "device", "enrol", repo / "metadata/1.root.json", repo, "--state", tmp_path / "state"
    )
    assert fetch(Store(tmp_path / "state"), "cam1") == bundles[0].sha256[:12]
    assert "current until" in relens("refresh", repo, *secret)
    assert "another key counts" in relens("revoke", repo, "--key", "targets", *secret)
    assert "nothing is offered" in relens("revoke", repo, "--channel", "stable", *secret)


def relens(*arguments: object) -> str:
    command = [sys.executable, "-m", "relens", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
