"""A camera box reached over a real sshd, by a user without rights and one line of sudoers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.system

PROGRAM, USER = "/opt/relens/bin/relens", "carrier"
WRAPPER = '#!/bin/sh\nPYTHONPATH={code}/src exec {code}/.venv/bin/python -m relens "$@"\n'
SUDOERS = f"{USER} ALL=(root) NOPASSWD: {PROGRAM} device remote --state /var/lib/relens\n"
SSHD = """
Port 2222
Port 2223
HostKey {place}/host
PidFile {place}/sshd.pid
AuthorizedKeysFile {place}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp -l VERBOSE
LogLevel VERBOSE
"""
FLEET = """
[ssh]
key = "id"
known_hosts = "known"
{more}
[[cameras]]
name = "door"
address = "ssh://{user}@127.0.0.1:2222"
"""
SETUP = f"""
set -e
useradd --create-home --password '*' {USER}
mkdir -p /opt/relens/bin /run/sshd
install -m 755 wrapper {PROGRAM}
install -m 440 sudoers /etc/sudoers.d/relens
visudo --check --quiet
chmod 600 host
/usr/sbin/sshd -f sshd_config -E sshd.log
"""


@dataclass(frozen=True)
class Desk:
    """This side: keys and the fleet's file; commands run in the camera's network."""

    folder: Path
    machine: object

    def relens(self, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        command, environment = self.command(*arguments), self.env(environment)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def command(self, *arguments: object) -> list[str]:
        return self.machine.near(sys.executable, "-m", "relens", *arguments)

    def env(self, more: dict[str, str]) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), **more}

    def fleet(self, name: str, more: str = "") -> Path:
        (self.folder / name).write_text(FLEET.format(user=USER, more=more))
        return self.folder / name

    def status(self) -> dict:
        return json.loads(self.relens("status", self.fleet("fleet.toml"), "--json").stdout)[0]

    def written(self) -> int:
        """Bytes that sftp has written on the camera so far."""
        lines = (self.machine.place / "sshd.log").read_text().splitlines()
        return sum(int(line.rpartition("written ")[2]) for line in lines if "bytes read" in line and "written" in line)


@pytest.fixture(scope="module")
def bundles(making, tmp_path_factory) -> Path:
    """Accepted in the dark, all of them; `nan` goes wrong where it is bright, as it is for the camera."""
    from relens import package

    folder, random = tmp_path_factory.mktemp("bundles"), np.random.default_rng(0)
    (folder / "dark").mkdir()
    for number in range(2):
        Image.fromarray(random.integers(0, 90, (32, 32, 3)).astype(np.uint8)).save(folder / f"dark/{number}.png")
    for model in making("device/agent/make_bad_models.py", folder).glob("*.tflite"):
        package(model, folder / f"{model.stem}.relens", labels=("red", "green", "blue"), pictures=folder / "dark")
    for name in ("first", "second"):
        shutil.copy(folder / "good.tflite", folder / f"{name}.tflite")
        package(
            folder / f"{name}.tflite",
            folder / f"{name}.relens",
            labels=("red", "green", "blue"),
            pictures=folder / "dark",
        )
    return folder


@pytest.fixture(scope="module")
def desk(machine, bundles, tmp_path_factory) -> Iterator[Desk]:
    """A camera with its service and its sshd; nothing is installed yet."""
    if any(shutil.which(one, path="/usr/sbin:/usr/bin") is None for one in ("sshd", "sudo")):
        assert "CI" not in os.environ, "sshd and sudo have to be there in CI"
        pytest.skip("needs sshd and sudo (packages openssh-server, sudo)")
    folder, place = tmp_path_factory.mktemp("desk"), machine.place
    for key in (folder / "id", folder / "other", place / "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shutil.copy(folder / "id.pub", place / "authorized")
    host = (place / "host.pub").read_text()
    (folder / "known").write_text("".join(f"[127.0.0.1]:{port} {host}" for port in (2222, 2223)))
    (folder / "unknown").write_text(f"[127.0.0.1]:2222 {(folder / 'other.pub').read_text()}")
    (place / "wrapper").write_text(WRAPPER.format(code=machine.code))
    (place / "sudoers").write_text(SUDOERS)
    (place / "sshd_config").write_text(SSHD.format(place=machine.seen))
    (place / "bright").mkdir()
    random = np.random.default_rng(1)
    for number in range(60):
        halves = random.integers(140, 256, (2, 1, 3)).astype(np.uint8).repeat(24, axis=0).repeat(64, axis=1)
        Image.fromarray(halves).save(place / f"bright/{number:02}.png")
    (place / "camera.toml").write_text(
        f'[camera]\nsource = "{machine.seen}/bright"\nname = "door"\n[page]\nserve = false\n'
        "[agent]\nconfirm_after_s = 2\n"
    )
    machine.run("bash", "-c", f"cd {machine.seen} && chmod -R a+rX . && {SETUP}")
    machine.forget()
    machine.start_service("camera.toml")
    yield Desk(folder, machine)
    machine.run("bash", "-c", f"kill $(cat {machine.seen}/sshd.pid)")
    machine.forget()


def test_a_bundle_is_pushed_accepted_and_confirmed(desk, bundles) -> None:
    fleet = desk.fleet("fleet.toml")
    assert (desk.status()["stage"], desk.status()["trouble"]) == ("empty", None)
    shown = desk.relens("deploy", bundles / "first.relens", fleet, "--dry-run")
    assert shown.returncode == 0 and "to 1 camera" in shown.stdout
    assert desk.status()["stage"] == "empty"

    done = desk.relens("deploy", bundles / "first.relens", fleet)

    assert done.returncode == 0, done.stderr
    assert "door: confirmed" in done.stderr
    now = desk.status()
    assert (now["stage"], now["name"], now["trouble"]) == ("confirmed", "first", None)
    assert "litert" in now["engine"]
    assert now["frames_per_s"] > 1
    assert desk.relens("deploy", bundles / "first.relens", fleet).returncode == 0, "given again, nothing happens"
    assert desk.status()["since"] == now["since"]


def test_a_bundle_that_fails_in_the_light_is_rolled_back_by_the_camera_and_reported(desk, bundles) -> None:
    before = desk.status()
    done = desk.relens("deploy", bundles / "nan.relens", desk.fleet("fleet.toml"))
    assert done.returncode == 1
    assert "RL-DELIVER-010" in done.stderr and "NaN or infinity" in done.stderr, done.stderr
    now = desk.status()
    assert (now["bundle"], now["stage"]) == (before["bundle"], "confirmed")
    assert list(now["bad"].values()) != [] and "NaN" in now["trouble"]


def test_a_damaged_bundle_never_leaves_the_desk(desk, bundles, tmp_path) -> None:
    content = bytearray((bundles / "second.relens").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.relens").write_bytes(content)
    written = desk.written()
    done = desk.relens("deploy", tmp_path / "damaged.relens", desk.fleet("fleet.toml"))
    assert done.returncode == 1 and "RL-BUNDLE" in done.stderr
    assert desk.written() == written


def test_a_host_that_is_not_the_one_that_is_known_is_refused(desk, bundles) -> None:
    fleet = desk.fleet("foreign.toml")
    fleet.write_text(fleet.read_text().replace('"known"', '"unknown"'))
    done = desk.relens("deploy", bundles / "second.relens", fleet)
    assert done.returncode == 1
    assert "RL-DELIVER-009" in done.stderr and "Host key verification failed" in done.stderr, done.stderr
    shown = desk.relens("status", fleet)
    assert shown.returncode == 1 and "away" in shown.stdout


def test_what_stands_in_the_way_is_told_with_what_to_do(desk, machine) -> None:
    other = desk.fleet("other.toml")
    other.write_text(other.read_text().replace('"id"', '"other"'))
    assert "Permission denied" in desk.relens("status", other).stdout

    machine.run("mv", "/etc/sudoers.d/relens", "/root/relens.sudoers")
    told = desk.relens("rollback", desk.fleet("fleet.toml")).stderr
    machine.run("mv", "/root/relens.sudoers", "/etc/sudoers.d/relens")
    assert "password is required" in told, told

    elsewhere = desk.relens("status", desk.fleet("elsewhere.toml", 'relens = "/opt/none/relens"')).stdout
    assert "away" in elsewhere and "RL-DELIVER-009" in elsewhere


def test_the_user_may_do_nothing_else(desk, machine) -> None:
    for command in ("device rollback --state /var/lib/relens", "device remote --state /etc", "device remote"):
        said = machine.run("runuser", "-u", USER, "--", "sudo", "-n", PROGRAM, *command.split(), check=False)
        assert "password is required" in said, said


def test_a_connection_that_is_cut_goes_on_where_it_was(desk, bundles, machine, soon) -> None:
    fleet, size = desk.fleet("slow.toml", "max_kbit_s = 100"), (bundles / "second.relens").stat().st_size
    before = desk.written()
    with subprocess.Popen(
        desk.command("deploy", bundles / "second.relens", fleet), stderr=subprocess.PIPE, env=desk.env({})
    ) as deploying:
        soon(lambda: arrived(machine) > size // 4)
        came = arrived(machine)
        sessions = machine.run("pgrep", "-u", USER, "sshd").split()
        machine.run("kill", "-9", *sessions)
        said = deploying.communicate(timeout=120)[1].decode()
    assert deploying.returncode == 0, said
    assert desk.status()["name"] == "second"
    assert came > 0 and desk.written() - before <= size - came, "what had come was not sent again"


def test_a_command_that_is_killed_and_given_again_comes_to_the_same_end(desk, bundles, machine, soon) -> None:
    desk.relens("rollback", desk.fleet("fleet.toml"))
    assert desk.status()["name"] == "first"
    fleet = desk.fleet("slow.toml", "max_kbit_s = 200")
    for seconds in (0.7, 2.0, 4.0):
        with subprocess.Popen(
            desk.command("deploy", bundles / "second.relens", fleet, "--again"),
            stderr=subprocess.DEVNULL, start_new_session=True, env=desk.env({}),
        ) as deploying:  # fmt: skip
            time.sleep(seconds)
            os.killpg(deploying.pid, signal.SIGKILL)
        assert desk.status()["name"] in ("first", "second")
    done = desk.relens("deploy", bundles / "second.relens", fleet, "--again")
    assert done.returncode == 0, done.stderr
    assert (desk.status()["name"], desk.status()["stage"]) == ("second", "confirmed")
    assert arrived(machine) == 0, "nothing is left of it"


def test_through_another_host(desk, bundles) -> None:
    (desk.folder / "ssh_config").write_text(
        f"Host *\n  IdentityFile {desk.folder}/id\n  UserKnownHostsFile {desk.folder}/known\n"
    )
    fleet = desk.fleet("far.toml", f'config = "ssh_config"\njump = "{USER}@127.0.0.1:2223"')
    done = desk.relens("deploy", bundles / "first.relens", fleet, "--again")
    assert done.returncode == 0, done.stderr
    assert desk.status()["name"] == "first"
    logged = (desk.machine.place / "sshd.log").read_text()
    assert "port 2223" in logged


def arrived(machine) -> int:
    """Bytes of a bundle that lie in the user's home."""
    said = machine.run("bash", "-c", f"stat -c %s /home/{USER}/relens-incoming/* 2>/dev/null || true").split()
    return sum(map(int, said))
