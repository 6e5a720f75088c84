"""A kit's file, run by a real shell: what it looks at before it writes anything."""

import hashlib
import random
import subprocess
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from io import BytesIO
from pathlib import Path

import pytest

from relens.errors import BadConfig, DeliveryTrouble
from relens.kit import Trust, build_kit
from relens.kit.own_wheel import own_wheel
from relens.kit.pack import pack
from relens.spec import device

FACTS = {"title": "a box", "architecture": "x86_64", "glibc": "2.17", "flags": "sse4_2", "python": "3.11",
         "system_python": '""', "disk_mb": "1"}  # fmt: skip


def packed(path: Path, **facts: str) -> Path:
    path.write_bytes(b"".join(pack({"settle.py": b"print('settled')\n", "wheels/a": b"x" * 5000}, {**FACTS, **facts})))
    return path


def check(kit: Path, prefix: Path) -> "subprocess.CompletedProcess[str]":
    command = ["sh", str(kit), "--check", "--prefix", str(prefix)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_same_parts_make_the_same_bytes(tmp_path: Path) -> None:
    assert packed(tmp_path / "a").read_bytes() == packed(tmp_path / "b").read_bytes()


def test_what_hangs_on_the_script_is_the_archive(tmp_path: Path) -> None:
    script, body = pack({"a/b": b"1", "c": b"22"}, FACTS)
    assert script.endswith(b"\nexit 0\n") and script.count(b"\n") + 1 == int(script.split(b"tail -n +")[1].split()[0])
    with tarfile.open(fileobj=BytesIO(body)) as archive:
        assert archive.getnames() == ["a/b", "c"]


def test_a_kit_that_fits_says_so_and_writes_nothing(tmp_path: Path) -> None:
    done = check(packed(tmp_path / "kit.sh"), tmp_path / "opt")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "this kit would run here"), done.stderr
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"architecture": "aarch64"}, "this kit is for aarch64, and this machine is x86_64"),
        ({"glibc": "2.99"}, "this kit needs glibc 2.99, and this system has 2."),
        ({"flags": "sse9"}, "this processor has no sse9"),
        ({"disk_mb": "999999999"}, "MB free, and 999999999 are needed: name a --prefix on a larger disk"),
        ({"system_python": "yes", "python": "3.99"}, "there is no python3.99: apt-get install python3.99"),
    ],
)
def test_a_kit_for_another_machine_refuses_before_it_writes(facts: dict[str, str], words: str, tmp_path: Path) -> None:
    done = check(packed(tmp_path / "kit.sh", **facts), tmp_path / "opt")
    assert done.returncode == 1
    assert words in done.stderr and "nothing was installed" in done.stderr, done.stderr


def test_a_service_has_its_state_where_it_has_it(tmp_path: Path) -> None:
    command = ["sh", str(packed(tmp_path / "kit.sh")), "--state", str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "--state needs --no-service" in done.stderr


def test_a_damaged_kit_refuses(tmp_path: Path) -> None:
    kit = packed(tmp_path / "kit.sh")
    content = bytearray(kit.read_bytes())
    content[-2000] ^= 1
    kit.write_bytes(content)
    done = check(kit, tmp_path / "opt")
    assert done.returncode == 1 and "is damaged: copy it again" in done.stderr


def test_a_wrong_option_shows_how_to_use_it(tmp_path: Path) -> None:
    done = subprocess.run(["sh", packed(tmp_path / "kit.sh"), "--wat"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "sh THIS_FILE [--check]" in done.stdout


def test_relens_goes_along_as_a_wheel_that_pip_would_take() -> None:
    name, content = own_wheel()
    assert name.endswith("-py3-none-any.whl") and own_wheel()[1] == content
    with zipfile.ZipFile(BytesIO(content)) as wheel:
        listed = {row.split(",")[0]: row.split(",")[1] for row in _record(wheel).splitlines()}
        assert set(listed) == set(wheel.namelist())
        for file in ("relens/cli/__init__.py", "relens/kit/installer.sh", "relens/device/agent/relens-old.service"):
            digest = urlsafe_b64encode(hashlib.sha256(wheel.read(file)).digest()).rstrip(b"=").decode()
            assert listed[file] == f"sha256={digest}"


def _record(wheel: zipfile.ZipFile) -> str:
    return wheel.read(next(name for name in wheel.namelist() if name.endswith("RECORD"))).decode()


def test_a_deeplens_needs_a_python_that_is_brought(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="RL-KIT-001: AWS DeepLens has no Python that relens runs on"):
        build_kit(device("deeplens"), tmp_path / "kit.sh")


@pytest.mark.parametrize(("python", "words"), [("2.7", "is neither one of 3.10"), ("nowhere.tar.gz", "nor an archive")])
def test_a_python_that_cannot_be_is_refused(python: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=words):
        build_kit(device("deeplens"), tmp_path / "kit.sh", python=python)


def test_what_would_fail_on_the_device_fails_at_the_desk(tmp_path: Path) -> None:
    (tmp_path / "camera.toml").write_text("[camera]\nsource = '0'\nnmae = 'x'\n")
    with pytest.raises(BadConfig, match="RL-CONFIG-002"):
        build_kit(device("ubuntu-22.04-x86"), tmp_path / "kit.sh", settings=tmp_path / "camera.toml")
    (tmp_path / "root.json").write_text('{"signed": {}}')
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-004"):
        build_kit(
            device("ubuntu-22.04-x86"), tmp_path / "kit.sh", trust=Trust(tmp_path / "root.json", "/srv/repository")
        )
    assert not (tmp_path / "kit.sh").exists()


def test_a_python_that_was_damaged_on_its_way_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as archive:
        for name in ("python/bin/python3.11", "python/lib/a", "python/lib/b"):
            member = tarfile.TarInfo(name)
            member.size = 50_000
            archive.addfile(member, BytesIO(random.Random(name).randbytes(50_000)))
    whole = (tmp_path / "good.tar.gz").read_bytes()
    for place in range(1000, len(whole) - 600, len(whole) // 12):
        (tmp_path / "bad.tar.gz").write_bytes(whole[:place] + bytes(512) + whole[place + 512 :])
        with pytest.raises(DeliveryTrouble, match="RL-KIT-002"):
            build_kit(device("deeplens"), tmp_path / "kit.sh", python=tmp_path / "bad.tar.gz")


def test_an_archive_without_a_python_and_one_that_is_damaged_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("python/bin/python2.7"))
    with pytest.raises(BadConfig, match="holds no python/bin/python3"):
        build_kit(device("deeplens"), tmp_path / "kit.sh", python=tmp_path / "empty.tar.gz")
    (tmp_path / "bad.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(DeliveryTrouble, match="RL-KIT-002"):
        build_kit(device("deeplens"), tmp_path / "kit.sh", python=tmp_path / "bad.tar.gz")
