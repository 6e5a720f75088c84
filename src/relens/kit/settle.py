"""The second half of a kit's installation, on the device: settings, service, repository, bundle.

Runs with the kit's own Python and packages. Doing it again does no harm: a bundle and a repository are brought once, so
what came later by another way stays.
"""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

from relens.files import write_whole

SETTINGS = Path("/etc/relens/camera.toml")
UNIT = Path("/etc/systemd/system/relens.service")
COMMAND = Path("/usr/local/bin/relens")
START_S = 120.0


def settle(place: Path, state: Path, service: bool) -> None:
    """Take an unpacked kit into use.

    Args:
        place: where it is unpacked.
        state: where the camera keeps its bundles.
        service: whether systemd is to run it.
    """
    relens = place / "venv/bin/relens"
    if not service or os.geteuid() or not Path("/run/systemd/system").is_dir():
        _bring(place, state, relens)
        _say(f"to run it: {relens} device run --settings {place / 'camera.toml'} --state {state}")
        return
    _link(COMMAND, relens)
    if not SETTINGS.exists() or not SETTINGS.stat().st_size:
        SETTINGS.parent.mkdir(parents=True, exist_ok=True)
        write_whole(SETTINGS, [(place / "camera.toml").read_bytes()])
        _say(f"settings: {SETTINGS}")
    unit = subprocess.run(
        [relens, "device", "service", "--settings", SETTINGS], check=True, stdout=subprocess.PIPE
    ).stdout
    write_whole(UNIT, [unit])
    if b"DynamicUser=yes" not in unit and not _user_exists("relens"):
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/false", "relens"], check=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "enable", "--quiet", "relens"], check=True)
    _start(state)
    if _bring(place, state, relens):
        _start(state)  # so that it asks its repository now
    _say("it runs as a service; how it does: relens device status --state " + str(state))
    _say("its live page:                     relens device page --state " + str(state))


def _start(state: Path) -> None:
    """Without waiting for its first frame, which a camera that is away does not give."""
    subprocess.run(["systemctl", "restart", "--no-block", "relens"], check=True)
    until = monotonic() + START_S
    while monotonic() < until:
        said = subprocess.run(
            ["systemctl", "show", "relens", "--property", "ActiveState,MainPID"], check=False, stdout=subprocess.PIPE
        ).stdout.split()
        runs = bool({b"ActiveState=active", b"ActiveState=activating"} & set(said)) and b"MainPID=0" not in said
        if runs and (state / "inbox").is_dir():
            return
        sleep(0.2)
    sys.exit("relens kit: the service does not start: journalctl -u relens -n 50")


def _bring(place: Path, state: Path, relens: Path) -> bool:
    """Bundle and repository, once for this kit; whether it follows a repository from now on."""
    bundle, address, brought = place / "bundle.relens", place / "repository", place / "brought"
    if brought.exists():
        return False
    if bundle.exists():
        subprocess.run([relens, "device", "install", bundle, "--state", state], check=True)
    if address.exists():
        where, channel = address.read_text(encoding="utf-8").splitlines()
        enrol: list[str | Path] = [relens, "device", "enrol", place / "1.root.json", where, "--channel", channel]
        subprocess.run([*enrol, "--state", state], check=True)
    brought.touch()
    return address.exists()


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
        sys.exit(f"relens kit: this step failed: {' '.join(map(str, trouble.cmd))}")
