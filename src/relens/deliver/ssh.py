"""One camera over SSH: a bundle goes into the home of the user who logs in, and from there to the camera's agent.

sftp(1) writes into `relens-incoming`, and goes on where it was cut; then `relens device remote`, as root by one line of
sudoers(5), installs what lies there. Every order may be given twice, so a line that breaks is opened anew.
"""

import json
import select
import subprocess
import tempfile
from contextlib import suppress
from time import monotonic, sleep
from typing import IO, Any

from relens.bundle import Bundle
from relens.deliver.openssh import OpenSsh, is_closed, quoted
from relens.device.agent.inbox import Answer
from relens.device.agent.remote import INCOMING
from relens.device.agent.status import CameraStatus
from relens.errors import BadBundle, DeliveryTrouble
from relens.spec.fleet import CameraAddress, SshSettings

ANSWER_S = 900.0
"""A camera may judge a bundle for so long; ssh itself notices within 15 s that the line is dead."""

TRIES, REST_S = 5, 1.0


class SshCamera:
    """A camera, asked over one connection that stays open until `close`.

    Args:
        camera: its name and address.
        settings: how to reach it.
    """

    def __init__(self, camera: CameraAddress, settings: SshSettings) -> None:
        self._ssh = OpenSsh(camera, settings)
        self._session: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None

    def status(self) -> CameraStatus:
        """How it is.

        Raises:
            DeliveryTrouble: RL-DELIVER-009 when it cannot be reached.
            RelensError: as the camera met it.
        """
        return self._status(do="status")

    def install(self, bundle: Bundle, *, again: bool = False) -> CameraStatus:
        """Bring a bundle, and let it run on trial where the camera accepts it.

        Args:
            bundle: opened, and so checked.
            again: also if it failed there before.

        Raises:
            DeliveryTrouble: RL-DELIVER-009 when the camera cannot be reached, or is lost on the way.
            RelensError: why it refuses the bundle, as the camera met it.
        """
        try:
            self._bring(bundle)
            return self._status(do="install", sha256=bundle.sha256, again=again)
        except BadBundle:
            # It was checked here: what lies there was damaged by an earlier try.
            self._ask(do="drop", sha256=bundle.sha256)
            self._bring(bundle)
            return self._status(do="install", sha256=bundle.sha256, again=again)

    def roll_back(self, bundle: str | None = None) -> CameraStatus:
        """Leave a bundle, or what runs (None); raises as `status`."""
        return self._status(do="rollback", bundle=bundle)

    def close(self) -> None:
        """Hang up."""
        session, self._session = self._session, None
        if session is None:
            return
        for stream in (session.stdin, session.stdout, self._stderr):
            with suppress(OSError):
                stream and stream.close()
        try:
            session.wait(5)
        except subprocess.TimeoutExpired:
            session.kill()
            session.wait()

    def _status(self, **order: Any) -> CameraStatus:
        return CameraStatus.from_json({**self._ask(**order)["status"], "camera": self._ssh.name})

    def _ask(self, **order: Any) -> dict[str, Any]:
        for attempt in range(TRIES):
            try:
                said: dict[str, Any] = json.loads(self._exchange(json.dumps(order).encode()))
                break
            except DeliveryTrouble as trouble:
                self.close()
                if attempt == TRIES - 1 or is_closed(trouble.message):
                    raise
                sleep(REST_S * attempt)
        if "error" in said:
            Answer(None, **said["error"]).bundle()
        return said

    def _exchange(self, line: bytes) -> bytes:
        """The answer to a line; what a login script may say before is passed over."""
        session = self._session or self._open()
        assert session.stdin is not None and session.stdout is not None
        with suppress(BrokenPipeError):
            session.stdin.write(line + b"\n")
            session.stdin.flush()
        end_s = monotonic() + ANSWER_S
        while select.select([session.stdout], [], [], max(0.0, end_s - monotonic()))[0]:
            heard = session.stdout.readline()
            if heard.startswith(b"{"):
                return heard
            if not heard:
                raise self._ssh.lost(self._last_words())
        raise self._ssh.lost(f"it said nothing for {ANSWER_S:.0f} s")

    def _open(self) -> "subprocess.Popen[bytes]":
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._session = subprocess.Popen(
            self._ssh.remote(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )
        return self._session

    def _last_words(self) -> str:
        """Of ssh, or of the program at the other end."""
        assert self._session is not None and self._stderr is not None
        self._session.wait()
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def _bring(self, bundle: Bundle) -> None:
        """What is there of it already is not sent again."""
        file, length, said = f"{INCOMING}/{bundle.sha256}.relens", bundle.path.stat().st_size, ""
        for attempt in range(TRIES):
            sleep(REST_S * attempt)
            there = self._ask(do="look", sha256=bundle.sha256)["bytes"]
            if there == length:
                return
            verb = "reput" if 0 < there < length else "put"
            sent = self._ssh.sftp(f"-mkdir {INCOMING}", f"{verb} {quoted(str(bundle.path))} {file}")
            if sent.returncode == 0:
                return
            said = sent.stderr
            if is_closed(said):
                break
        raise self._ssh.lost(said)
