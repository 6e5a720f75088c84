"""From `relens deploy` to confirmed, over a real sshd on loopback, beyond the seconds that confirmation asks for.

Starts an sshd and an agent of its own, deploys two bundles in turn, and prints how long each command took less
`[agent] confirm_after_s`. The command's own start, SSH, the transfer, the golden frames and the first frame are in it.

    python bench/deploy.py one.relens two.relens --camera clip.mp4
"""

import argparse
import getpass
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/id.pub
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""
FLEET = """
[ssh]
relens = "{folder}/relens"
state = "{folder}/state"
sudo = false
key = "id"
known_hosts = "known"
[[cameras]]
name = "door"
address = "ssh://{user}@127.0.0.1:{port}"
"""
CAMERA = '[camera]\nsource = "{camera}"\n[page]\nserve = false\n[agent]\nconfirm_after_s = {confirm_s}\n'
WRAPPER = '#!/bin/sh\nexec {python} -m relens "$@"\n'


def main() -> None:
    """Parse, deploy, print; exit code 1 when a deployment failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs=2, help="two different .relens files")
    parser.add_argument("--camera", required=True)
    parser.add_argument("--confirm", type=float, default=3.0, help="[agent] confirm_after_s")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relens-deploy-") as name, ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(sshd(folder))
        camera = Path(options.camera).absolute()
        (folder / "camera.toml").write_text(CAMERA.format(camera=camera, confirm_s=options.confirm))
        agent = ["device", "run", "--settings", folder / "camera.toml", "--state", folder / "state"]
        stack.enter_context(process([sys.executable, "-m", "relens", *agent]))
        beyond = []
        for turn in range(options.runs + 1):  # the first one meets an empty camera
            began_s = time.monotonic()
            command = [sys.executable, "-m", "relens", "deploy", options.bundles[turn % 2], folder / "fleet.toml"]
            environment = {**os.environ, "XDG_STATE_HOME": str(folder / "desk")}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise SystemExit(done.stderr)
            beyond.append(time.monotonic() - began_s - options.confirm)
    shown = sorted(beyond[1:])
    print(
        f"beyond {options.confirm:.0f} s of confirmation, n={len(shown)}: median {statistics.median(shown):.2f} s, "
        f"{shown[0]:.2f} to {shown[-1]:.2f} s; on an empty camera {beyond[0]:.2f} s"
    )


@contextmanager
def sshd(folder: Path) -> Iterator[None]:
    """On a free port of loopback, with keys of its own; writes what the desk needs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for key in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "relens").write_text(WRAPPER.format(python=sys.executable))
    (folder / "relens").chmod(0o755)
    (folder / "fleet.toml").write_text(FLEET.format(folder=folder, user=getpass.getuser(), port=port))
    (folder / "sshd_config").write_text(SSHD.format(folder=folder, port=port))
    Path("/run/sshd").mkdir(exist_ok=True)
    with process(["/usr/sbin/sshd", "-D", "-f", folder / "sshd_config"]):
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield


@contextmanager
def process(command: list[object]) -> Iterator[None]:
    """Until the end."""
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL) as running:
        try:
            yield
        finally:
            running.terminate()


if __name__ == "__main__":
    main()
