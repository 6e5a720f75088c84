"""A DeepLens without one: its Ubuntu 16.04 for real, its processor emulated, and the guide's commands as they stand."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relens.kit.emulator import Emulator, died_of
from relens.spec import device

pytestmark = pytest.mark.system
ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs/deeplens.md").read_text(encoding="utf-8")
PYTHON = "cpython-3.11.tar.gz"
MINUTE = 60


def needs(*programs: str) -> None:
    missing = [one for one in programs if shutil.which(one) is None]
    if os.geteuid() != 0 or missing:
        assert "CI" not in os.environ, f"root and {missing} have to be there in CI"
        pytest.skip(f"needs root and {', '.join(missing)} (packages debootstrap, qemu-user)")


@pytest.fixture(scope="module")
def old_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Ubuntu 16.04, with what its installer would have put there."""
    needs("debootstrap")
    root = tmp_path_factory.mktemp("xenial") / "root"
    done = subprocess.run([ROOT / "tools/ubuntu-16.04", root, "sudo"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(
            f"no Ubuntu 16.04 can be had here; the kit's symbols are checked all the same: {done.stderr[-300:]}"
        )
    assert (root / "lib/x86_64-linux-gnu/libc-2.23.so").exists()
    return root


@pytest.fixture(scope="module")
def python(old_system: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python for it, built as the guide says; RELENS_PYTHON names one that was built before."""
    if "RELENS_PYTHON" in os.environ:
        return Path(os.environ["RELENS_PYTHON"])
    place = tmp_path_factory.mktemp("python")
    subprocess.run(["cp", "-a", old_system, place / "root"], check=True)
    environment = {**os.environ, "ROOT": str(place / "root")}
    subprocess.run([ROOT / "tools/build-python", place / PYTHON], env=environment, check=True)
    shutil.rmtree(place / "root")
    return place / PYTHON


@pytest.fixture(scope="module")
def desk(python: Path, flowers_graph: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two int8 bundles and a Python, as the guide has them."""
    import relens
    from relens.spec import InputSpec

    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(python, folder / PYTHON)
    kinds = tuple((shared_data / "flowers/classes.txt").read_text().split())
    made = {
        "flowers": (flowers_graph, shared_data / "flowers/calib", kinds, "-1..1"),
        "person": (
            shared_data / "models/vww_96.h5",
            shared_data / "coco_cc_subset/images",
            ("nobody", "person"),
            "0..1",
        ),
    }
    for name, (model, pictures, labels, scaling) in made.items():
        spec = InputSpec(scaling=scaling)
        relens.convert(model, folder / f"{name}.tflite", scheme="int8", calibration=pictures, input_spec=spec)
        relens.package(
            folder / f"{name}.tflite", folder / f"{name}.relens", labels=labels, input_spec=spec, pictures=pictures
        )
    return folder


def relens_at(desk: Path, *arguments: object, offline: bool = False) -> "subprocess.CompletedProcess[str]":
    command = [*(["unshare", "--net"] if offline else []), str(Path(sys.executable).with_name("relens"))]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=desk, capture_output=True, text=True, check=False, timeout=1200
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "wheels"


@pytest.mark.parametrize(
    ("name", "more", "glibc", "libstdcxx"),
    [
        ("deeplens", ("--python", PYTHON), "2.23", "3.4.21"),
        ("raspberry-pi-5", (), "2.36", "3.4.30"),
        ("raspberry-pi-4", (), "2.36", "3.4.30"),
        ("ubuntu-20.04-x86", ("--python", PYTHON), "2.31", "3.4.28"),
        ("ubuntu-22.04-x86", (), "2.35", "3.4.30"),
    ],
)
def test_a_kit_builds_offline_after_one_download(
    name: str, more: tuple[str, ...], glibc: str, libstdcxx: str, desk: Path, store: Path
) -> None:
    wanted = ("kit", "flowers.relens", "--device", name, *more, "--wheels", store, "--json", "-o")
    first = relens_at(desk, *wanted, f"{name}-1.sh")
    assert first.returncode == 0, first.stdout + first.stderr
    again = relens_at(desk, *wanted, f"{name}-2.sh", offline=True)
    assert again.returncode == 0, again.stdout + again.stderr
    kits = [hashlib.sha256((desk / f"{name}-{place}.sh").read_bytes()).hexdigest() for place in (1, 2)]
    assert kits[0] == kits[1]
    judged = json.loads(again.stdout)["judgement"]
    assert judged["objects"] > 150 and judged["refusals"] == []
    for found, most in ((judged["glibc"], glibc), (judged["libstdcxx"], libstdcxx)):
        assert [int(part) for part in found.split(".")] <= [int(part) for part in most.split(".")], judged


def test_a_kit_without_a_network_and_without_a_store_says_what_is_missing(desk: Path, tmp_path: Path) -> None:
    done = relens_at(desk, "kit", "--device", "ubuntu-22.04-x86", "--wheels", tmp_path / "none", offline=True)
    assert done.returncode == 1
    assert "RL-KIT-003" in done.stderr and "no wheel of " in done.stderr, done.stderr
    assert not (desk / "relens-ubuntu-22.04-x86.sh").exists()


def test_a_wheel_that_promises_more_than_it_holds_is_caught_by_name(desk: Path, store: Path, tmp_path: Path) -> None:
    """LiteRT's wheel for aarch64 says manylinux_2_27; a Jetson with Ubuntu 20.04 would learn otherwise at import."""
    text = (ROOT / "src/relens/spec/profiles/raspberry-pi-4.toml").read_text()
    text = text.replace('libc = "2.36"', 'libc = "2.31"').replace('libstdcxx = "3.4.30"', 'libstdcxx = "3.4.28"')
    (tmp_path / "jetson.toml").write_text(text.replace("Raspberry Pi OS 64-bit, bookworm", "Ubuntu 20.04"))
    done = relens_at(desk, "kit", "--device", tmp_path / "jetson.toml", "--wheels", store, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["error"]["code"] == "RL-KIT-004"
    assert re.search(
        r"ai_edge_litert-2\.\S+\.whl: ai_edge_litert/\S+\.so needs \S+@GLIBC_2\.3\d of libm?c?\.so\.6, "
        r"and the glibc of Ubuntu 20\.04 ends at GLIBC_2\.31",
        told["error"]["message"],
    ), told["error"]["message"]


@pytest.mark.parametrize("name", ["flowers", "person"])
def test_an_int8_bundle_is_the_same_to_the_bit_on_the_emulated_processor_with_the_old_c_library(
    name: str, desk: Path, old_system: Path
) -> None:
    needs("qemu-x86_64")
    kit = desk / "deeplens-1.sh"
    done = relens_at(desk, "prove", f"{name}.relens", "--kit", kit, "--root", old_system, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    proof = json.loads(done.stdout)
    assert proof["holds"] and proof["must_be_exact"] and proof["differing"] == 0 and proof["worst"] == 0
    assert proof["libc"] == "glibc 2.23" and "litert 1.4.0, XNNPACK" in proof["engine"]
    assert (proof["golden"], proof["live"]) == (4, 10) and proof["outputs"] == 14
    assert {"tensorflow", "keras"} <= set(proof["absent"])
    assert json.loads((desk / f"{name}.proof.json").read_text()) == proof


def test_an_instruction_that_the_processor_has_not_ends_the_emulated_run() -> None:
    needs("qemu-x86_64")
    script = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex({code!r}))\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
        "print('ran')\n"
    )
    emulator = Emulator.of(device("deeplens"))
    python = Path(sys.executable).resolve()
    for code, runs in (("f20f38f1c1c3", True), ("c5f058c1c3", False), ("f3c3", True)):  # crc32; vaddps; ret
        done = subprocess.run(
            emulator.command([python, "-I", "-c", script.format(code=code)]),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ("ran" in done.stdout) == runs, done.stderr
        assert (died_of(done.stderr) is None) == runs, done.stderr
    assert died_of("qemu: uncaught target signal 4 (Illegal instruction) - core dumped") == "Illegal instruction"


class Box:
    """A booted Ubuntu 16.04, and commands on it by the user that a DeepLens has."""

    def __init__(self, first: int, root: Path) -> None:
        self.first, self.root = first, root

    def run(self, command: str, user: str = "root", check: bool = True) -> str:
        enter = ["nsenter", "-t", str(self.first), *["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        home = "/root" if user == "root" else f"/home/{user}"
        line = ["env", "-i", path, "/bin/su", user, "-c", f"cd {home} && {command}"]
        done = subprocess.run([*enter, *line], capture_output=True, text=True, check=False, timeout=300)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def fetch(self, address: str) -> bytes:
        """What a browser on it would get, through its network."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.first), "-n", sys.executable, "-c",
             f"import urllib.request, sys; sys.stdout.buffer.write(urllib.request.urlopen({address!r}).read())"],
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout


@pytest.fixture(scope="module")
def box(old_system: Path, boot: Callable[..., AbstractContextManager[int]]) -> Iterator[Box]:
    with boot(old_system, "systemd.unit=multi-user.target") as first:
        found = Box(first, old_system)
        for _ in range(100):
            if found.run("systemctl is-system-running || true").strip() in ("running", "degraded"):
                break
            time.sleep(0.2)
        found.run("useradd --create-home --shell /bin/bash aws_cam")
        found.run("echo 'aws_cam ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/aws_cam && chmod 440 /etc/sudoers.d/aws_cam")
        yield found


@pytest.fixture(scope="module")
def camera_service(box: Box, shared_data: Path) -> Iterator[None]:
    """What writes MJPEG into the named pipe, as the camera service does."""
    pipe = box.root / "opt/awscam/out/ch2_out.mjpeg"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    pictures = sorted((shared_data / "flowers/test").rglob("*.jpg"))[:40]
    frames = [cv2.imencode(".jpg", cv2.resize(cv2.imread(str(one)), (640, 360)))[1].tobytes() for one in pictures]
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as stream:
                for number in range(1 << 30):
                    if ended.is_set():
                        return
                    stream.write(frames[number // 10 % len(frames)])
                    time.sleep(1 / 15)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield
    ended.set()
    with suppress(OSError):
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
    server.join(5)


def test_a_stranger_comes_from_a_fresh_system_to_a_live_page_by_the_guide(
    desk: Path, box: Box, camera_service: None
) -> None:
    needs("qemu-x86_64")
    for command in block("desk"):
        assert command.startswith("relens "), command
        done = relens_at(desk, *command.split()[1:])
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    shutil.copy(desk / "deeplens-kit.sh", box.root / "home/aws_cam")
    said = {}
    for command in block("box"):
        # The doctor minds a container's clock, which no time server keeps.
        said[command] = box.run(command, user="aws_cam", check="doctor" not in command)
        if command == "sudo sh deeplens-kit.sh":
            wait(lambda: "frames/s" in box.run("relens device status --state /var/lib/relens"), MINUTE)
    check, installed, doctor, status, page = said.values()
    assert "this kit would run here" in check
    assert "it runs as a service" in installed
    lines = [line for line in doctor.splitlines() if line.startswith("not ok")]
    assert [line.split()[2] for line in lines] in ([], ["clock"]), doctor
    assert "active" in status and "litert 1.4.0, XNNPACK" in status

    assert b"<html" in box.fetch(page.strip())
    key = page.strip().partition("token=")[2]
    picture = box.fetch(f"http://127.0.0.1:8080/snapshot.jpg?token={key}")
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)
    wait(lambda: json.loads(box.run("relens device status --state /var/lib/relens --json"))["bundles"][0]["stage"]
         == "confirmed", 3 * MINUTE)  # fmt: skip


def test_the_service_runs_without_rights_and_comes_back_when_it_is_killed(box: Box) -> None:
    first = main_pid(box)
    assert box.run(f"stat -c %U /proc/{first}").strip() == "relens"
    box.run(f"kill -KILL {first}")
    wait(lambda: main_pid(box) not in ("0", first), MINUTE)
    wait(lambda: "active" in box.run("systemctl is-active relens || true"), MINUTE)


def test_a_kit_that_is_run_again_changes_nothing_and_goes_on(box: Box) -> None:
    before = box.run("readlink /opt/relens/current")
    box.run("sudo sh deeplens-kit.sh", user="aws_cam")
    assert box.run("readlink /opt/relens/current") == before
    assert box.run("ls /opt/relens").split() == sorted([before.strip(), "bin", "current"])


def test_a_kit_with_a_trusted_root_brings_what_the_repository_offers(desk: Path, box: Box, store: Path) -> None:
    (desk / "passphrase").write_text("long enough for a test")
    kept = ("--keys", desk / "keys", "--passphrase-file", desk / "passphrase")
    offered = box.root / "srv/repository"
    for command in (("keys", "repository", *kept), ("publish", "person.relens", "repository", *kept)):
        done = relens_at(desk, *command)
        assert done.returncode == 0, done.stderr
    shutil.copytree(desk / "repository", offered)
    root = desk / "repository/metadata/1.root.json"
    wanted = ("--python", PYTHON, "--root", root, "--repository", "/srv/repository", "--wheels", store)
    done = relens_at(desk, "kit", *wanted, "-o", "following.sh")
    assert done.returncode == 0, done.stderr
    shutil.copy(desk / "following.sh", box.root / "home/aws_cam")
    before = box.run("readlink /opt/relens/current").strip()

    box.run("sudo sh following.sh", user="aws_cam")

    now = box.run("readlink /opt/relens/current").strip()
    assert now != before and set(box.run("ls /opt/relens").split()) == {"bin", "current", now, before}
    wait(lambda: " person " in box.run("/opt/relens/bin/relens device status --state /var/lib/relens"), 2 * MINUTE)


def main_pid(box: Box) -> str:
    return box.run("systemctl show relens --property MainPID").strip().partition("=")[2]


def block(name: str) -> list[str]:
    (found,) = re.findall(rf"```{name}\n(.*?)```", GUIDE, re.DOTALL)
    return [line for line in found.splitlines() if line.strip()]


def wait(holds: Callable[[], Any], most_s: float) -> None:
    until = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.5)
