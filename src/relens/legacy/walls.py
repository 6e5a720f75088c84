"""The walls inside Python: an audit hook that refuses writes, networks and programs, and says so in clear words.

It sees what goes through Python, by whatever module. Native code and ctypes go around it: against those stand Landlock
and a network namespace or a socket filter, where the kernel has them: `landlock`, `namespace`, `sockets` beside this.
"""

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relens.errors import LegacyTrouble

DEVICES = (
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts", "/dev/shm",
    "/dev/snd", "/dev/dri",
)  # fmt: skip
"""What may be written to beside the run's folder: it keeps nothing, or is sound and graphics."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Walls:
    """What is refused.

    writable: folders that may be written to. network, programs: whether these are open. function: the function's
    folder, whose lines are named. tell: hears of every refusal.
    """

    writable: tuple[Path, ...]
    network: bool
    programs: bool
    function: Path
    tell: Callable[[LegacyTrouble], None]

    def stand(self) -> None:
        """From now on, until this process ends: an audit hook cannot be taken away."""
        checks = self._checks()

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            check = checks.get(event)
            if check is not None:
                check(*arguments)

        sys.addaudithook(hook)

    def _checks(self) -> dict[str, Callable[..., None]]:
        change, two = self._change, self._change_two
        checks: dict[str, Callable[..., None]] = {
            "open": self._open,
            "os.mkdir": lambda path, mode=0, folder=-1: change(path, folder),
            "os.remove": change,
            "os.rmdir": change,
            "os.truncate": lambda path, length=0: change(path),
            "os.chmod": lambda path, mode=0, folder=-1: change(path, folder),
            "os.chown": lambda path, user=0, group=0, folder=-1: change(path, folder),
            "os.utime": lambda path, times=None, ns=None, folder=-1: change(path, folder),
            "os.setxattr": lambda path, *rest: change(path),
            "os.removexattr": lambda path, *rest: change(path),
            "os.rename": two,
            "os.link": two,
            "os.symlink": lambda source, path, folder=-1: change(path, folder),
        }
        checks |= {"os.kill": self._signal, "os.killpg": self._signal}
        if not self.network:
            checks |= {
                "socket.connect": lambda one, address: self._reach(address),
                "socket.bind": lambda one, address: self._listen(address),
                "socket.sendto": lambda one, address: self._reach(address),
                "socket.sendmsg": lambda one, address: self._reach(address),
                "socket.getaddrinfo": lambda host, port=None, *rest: self._reach((host, port)),
                "socket.gethostbyname": lambda host: self._reach((host, None)),
                "socket.gethostbyaddr": lambda host: self._reach((host, None)),
            }
        if not self.programs:
            checks |= {
                "subprocess.Popen": lambda program, *rest: self._start(program),
                "os.system": self._start,
                "os.exec": lambda program, *rest: self._start(program),
                "os.posix_spawn": lambda program, *rest: self._start(program),
                "pty.spawn": self._start,
            }
        return checks

    def _open(self, path: Any, mode: Any, flags: int) -> None:
        if flags & WRITES and not isinstance(path, int):
            self._change(path)

    def _change(self, path: Any, folder: int = -1) -> None:
        if isinstance(path, int):  # what is open may have been opened to be read
            path = str(Path(f"/proc/self/fd/{path}").readlink())
            if not path.startswith("/"):
                return
        real = os.path.realpath(_within(os.fsdecode(path), folder))
        if not self._is_writable(real):
            raise self._refused(
                f"write to {os.fsdecode(path)}",
                hint="let it write to /tmp, which is a folder of the run's own",
                path=real,
            )

    def _change_two(self, source: Any, path: Any, source_folder: int = -1, folder: int = -1) -> None:
        self._change(source, source_folder)
        self._change(path, folder)

    def _is_writable(self, real: str) -> bool:
        allowed = (*map(str, self.writable), *DEVICES)
        return any(real == one or real.startswith(f"{one}/") for one in allowed)

    def _reach(self, address: Any) -> None:
        if isinstance(address, str | bytes):  # a Unix socket's
            if address and not self._is_writable(os.path.realpath(os.fsdecode(address))):
                raise self._refused(f"reach the socket {os.fsdecode(address)}", hint="change the function")
        elif isinstance(address, tuple) and address[0] is not None:
            host = address[0].decode(errors="replace") if isinstance(address[0], bytes) else address[0]
            port = f":{address[1]}" if address[1] else ""
            raise self._refused(f"reach {host}{port}", hint="--network opens the network to the function")

    def _listen(self, address: Any) -> None:
        # Libraries look whether there is IPv6 by binding to this machine itself, which reaches nobody.
        if not (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1", "localhost")):
            self._reach(address)

    def _signal(self, process: int, number: int = 0) -> None:
        if process != os.getpid():
            raise self._refused(f"send a signal to process {process}", hint="change the function")

    def _start(self, program: Any) -> None:
        name = program.decode(errors="replace") if isinstance(program, bytes) else program
        raise self._refused(
            f"start the program {name}",
            hint="this kernel cannot wall it in; change the function",
        )

    def _refused(self, what: str, hint: str, path: str | None = None) -> PermissionError:
        where = self._line()
        trouble = LegacyTrouble("RL-LEGACY-008", f"the function may not {what}{where}", hint=hint)
        self.tell(trouble)
        return PermissionError(errno.EACCES, f"{trouble.message}; {hint}", path)

    def _line(self) -> str:
        """The innermost line of the function's own files."""
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename.startswith(f"{self.function}/"):
                return f" ({Path(frame.f_code.co_filename).name}, line {frame.f_lineno})"
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def _within(path: str, folder: int) -> str:
    """A path that is relative to an open folder, as one that is relative to none."""
    if folder < 0 or path.startswith("/"):
        return path
    return f"{Path(f'/proc/self/fd/{folder}').readlink()}/{path}"
