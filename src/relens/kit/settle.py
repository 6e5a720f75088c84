"""The second half of a kit's installation, on the device: settings, service, repository, bundle.

Runs with the kit's own Python and packages. Doing it again does no harm.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

SETTINGS = Path("/etc/relens/camera.toml")
UNIT = Path("/etc/systemd/system/relens.service")
COMMAND = Path("/usr/local/bin/relens")


def settle(place: Path, state: Path, service: bool) -> None:
    """Take an unpacked kit into use.

    Args:
        place: where it is unpacked.
        state: where the camera keeps its bundles.
        service: whether systemd is to run it.
    """
    relens = place / "venv/bin/relens"
    root = os.geteuid() == 0
    if root:
        _link(COMMAND, relens)
    if not service or not root or not Path("/run/systemd/system").is_dir():
        settings = place / "camera.toml"
        _bring(place, state, relens)
        _say(f"to run it: {relens} device run --settings {settings} --state {state}")
        return
    if not SETTINGS.exists():
        SETTINGS.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / "camera.toml", SETTINGS)
        _say(f"settings: {SETTINGS}")
    unit = subprocess.run(
        [relens, "device", "service", "--settings", SETTINGS], check=True, stdout=subprocess.PIPE
    ).stdout
    UNIT.write_bytes(unit)
    if "DynamicUser" not in unit.decode() and not _user_exists("relens"):
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/false", "relens"], check=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "enable", "--quiet", "relens"], check=True)
    subprocess.run(["systemctl", "restart", "--no-block", "relens"], check=True)
    until = monotonic() + 60
    while not (state / "inbox").is_dir() and monotonic() < until:
        sleep(0.2)
    _bring(place, state, relens)
    _say("it runs as a service; how it does: relens device status --state " + str(state))
    _say("its live page:                     relens device page --state " + str(state))


def _bring(place: Path, state: Path, relens: Path) -> None:
    address = place / "repository"
    if address.exists():
        where, channel = address.read_text(encoding="utf-8").split()
        enrol: list[str | Path] = [
            relens,
            "device",
            "enrol",
            place / "1.root.json",
            where,
            "--channel",
            channel,
            "--state",
            state,
        ]
        subprocess.run(enrol, check=True)
    bundle = place / "bundle.relens"
    if bundle.exists():
        subprocess.run([relens, "device", "install", bundle, "--state", state], check=True)


def _user_exists(name: str) -> bool:
    return subprocess.run(["id", name], check=False, capture_output=True).returncode == 0


def _link(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        settle(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "yes")
    except subprocess.CalledProcessError as trouble:
        sys.stderr.write(f"relens kit: this step failed: {' '.join(map(str, trouble.cmd))}\n")
        sys.exit(1)
