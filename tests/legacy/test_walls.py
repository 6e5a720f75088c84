"""What a function may not do, by Python and around it."""

import json
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relens.legacy.landlock import version

HEAD = """
import ctypes, json, os, shutil, socket, subprocess, urllib.request
import awscam, greengrasssdk
client = greengrasssdk.client('iot-data')
def attempt(name, what):
    try:
        result = what()
    except Exception as error:
        result = '{}: {}'.format(type(error).__name__, error)
    client.publish(topic=name, payload=json.dumps(str(result)))
"""


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that is not in /tmp, which is another one for a function."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        (Path(folder) / "old").write_text("as it was")
        yield Path(folder)


def answers(summary: Any) -> dict[str, str]:
    return {message["topic"]: json.loads(message["payload"]) for message in reversed(summary.messages)}


WRITES = """
target = {target!r}
attempt('write', lambda: open(target + '/new', 'w'))
attempt('append', lambda: open(target + '/old', 'a'))
attempt('os.open', lambda: os.open(target + '/old', os.O_WRONLY | os.O_TRUNC))
attempt('remove', lambda: os.remove(target + '/old'))
attempt('rename', lambda: os.rename(target + '/old', '/tmp/mine'))
attempt('mkdir', lambda: os.mkdir(target + '/folder'))
attempt('rmtree', lambda: shutil.rmtree(target))
attempt('chmod', lambda: os.chmod(target + '/old', 0o777))
attempt('link', lambda: os.symlink('/etc/passwd', target + '/link'))
os.symlink(target, '/tmp/way')
attempt('through a link', lambda: open('/tmp/way/new', 'w'))
attempt('beside', lambda: open('beside.txt', 'w'))
attempt('up', lambda: open('/tmp/../../new', 'w'))
attempt('read', lambda: open(target + '/old').read())
awscam.getLastFrame()
"""


def test_writes_outside_its_folder_are_refused_with_path_and_line(
    run_text: Callable[..., Any], tmp_path: Path, outside: Path
) -> None:
    target = outside
    summary = run_text(HEAD + WRITES.format(target=str(target)))
    told = answers(summary)
    refused = {name: text for name, text in told.items() if name not in ("read",)}
    assert all(text.startswith("PermissionError") for text in refused.values()), refused
    assert told["write"].startswith(
        f"PermissionError: [Errno 13] the function may not write to {target}/new (lambda_function.py, line 13); "
        "let it write to /tmp"
    )
    assert told["read"] == "as it was"
    assert [path.name for path in target.iterdir()] == ["old"] and (target / "old").read_text() == "as it was"
    assert not (tmp_path / "function/beside.txt").exists()
    assert summary.errors >= 5


NATIVE = """
libc = ctypes.CDLL(None, use_errno=True)
def made(path):
    return libc.open(path.encode(), os.O_CREAT | os.O_WRONLY, 0o600)
attempt('open', lambda: (made({target!r} + '/native'), ctypes.get_errno()))
attempt('unlink', lambda: (libc.unlink(({target!r} + '/old').encode()), ctypes.get_errno()))
attempt('mine', lambda: made(os.environ['HOME'] + '/native') >= 0)
attempt('null', lambda: libc.open(b'/dev/null', os.O_WRONLY) >= 0)
command = 'echo x 2>/dev/null > ' + {target!r} + '/shell'
attempt('program', lambda: subprocess.run(['/bin/sh', '-c', command]).returncode)
attempt('program within', lambda: subprocess.check_output(['/bin/sh', '-c', 'echo x > $HOME/shell; cat $HOME/shell']))
awscam.getLastFrame()
"""


def test_native_code_and_programs_meet_the_kernels_wall(
    run_text: Callable[..., Any], tmp_path: Path, outside: Path
) -> None:
    if version() == 0:
        pytest.skip("this kernel has no Landlock")
    target = outside
    summary = run_text(HEAD + NATIVE.format(target=str(target)))
    told = answers(summary)
    assert summary.walls["landlock"] == version()
    assert told["open"] == told["unlink"] == "(-1, 13)"
    assert told["mine"] == told["null"] == "True"
    assert [path.name for path in target.iterdir()] == ["old"]
    if summary.walls["network_namespace"] or summary.walls["socket_filter"]:  # else no program is started at all
        assert told["program"] != "0" and told["program within"] == "b'x\\n'"
    else:
        assert told["program"].startswith("PermissionError") and told["program within"].startswith("PermissionError")


NETWORK = """
address = ('127.0.0.1', {port})
attempt('connect', lambda: socket.create_connection(address, 2))
attempt('raw connect', lambda: socket.socket().connect(address))
attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', address))
attempt('bind', lambda: socket.socket().bind(('0.0.0.0', 0)))
attempt('name', lambda: socket.getaddrinfo('example.org', 443))
attempt('url', lambda: urllib.request.urlopen('http://example.org/model.zip', timeout=2))
class In(ctypes.Structure):
    _fields_ = [('family', ctypes.c_uint16), ('port', ctypes.c_uint16),
                ('address', ctypes.c_uint32), ('rest', ctypes.c_uint64)]
def native(kind):
    libc = ctypes.CDLL(None, use_errno=True)
    one = libc.socket(2, kind, 0)
    where = In(2, socket.htons({port}), 0x0100007f, 0)
    return libc.connect(one, ctypes.byref(where), 16) == 0
attempt('native', lambda: native(1))
def back(process):
    return ctypes.CDLL(None).setns(os.open('/proc/{{}}/ns/net'.format(process), os.O_RDONLY), 0) == 0
attempt('back', lambda: back(os.getppid()))
attempt('back to the first', lambda: back(1))
awscam.getLastFrame()
"""


def test_the_network_is_refused_and_the_host_is_named(run_text: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        summary = run_text(HEAD + NETWORK.format(port=port))
        told = answers(summary)
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert told["connect"].startswith(
        f"PermissionError: [Errno 13] the function may not reach 127.0.0.1:{port} (lambda_function.py, line 13); "
        "--network opens"
    )
    assert "may not reach example.org" in told["name"] and "may not reach example.org" in told["url"]
    for name in ("raw connect", "udp", "bind"):
        assert told[name].startswith("PermissionError"), told
    if summary.walls["network_namespace"] or summary.walls["socket_filter"] or summary.walls["landlock"] >= 4:
        assert told["native"] == "False"
        assert told["back"] != "True" and told["back to the first"] != "True"


def test_with_network_it_is_open(run_text: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        summary = run_text(HEAD + NETWORK.format(port=listening.getsockname()[1]), network=True)
    told = answers(summary)
    assert told["connect"].startswith("<socket.socket") and told["native"] == "True"
    assert summary.walls["network_namespace"] is False


def test_refusals_do_not_end_a_function_that_goes_on(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
while True:
    ret, frame = awscam.getLastFrame()
    attempt('again', lambda: open('/etc/new', 'w'))
"""
    )
    summary = run_text(text, frames=20)
    assert (summary.frames, summary.published, summary.errors) == (20, 20, 1)


FILTERED = """
import ctypes, socket, subprocess, sys
from relens.legacy.sockets import refuse_sockets
assert refuse_sockets()
one, other = socket.socketpair()
one.send(b"within")
assert other.recv(9) == b"within" and socket.socket(socket.AF_UNIX)
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
        except PermissionError:
            continue
        sys.exit(f"{family} {kind}")
libc = ctypes.CDLL(None, use_errno=True)
assert (libc.socket(2, 1, 0), ctypes.get_errno()) == (-1, 13)
assert (libc.syscall(425, 4, 0), ctypes.get_errno()) == (-1, 13)  # io_uring_setup
print(subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], capture_output=True).returncode)
"""


def test_the_filter_refuses_every_socket_that_leaves_the_machine() -> None:
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the filter knows no other machine")
    done = subprocess.run([sys.executable, "-c", FILTERED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
