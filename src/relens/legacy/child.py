"""The process that a function runs in, as `relens.legacy.process` starts it: line and frames' memory are open already.

The walls of the kernel come first, while this is one thread and has loaded nothing; then our libraries, the modules
that the function will import, the walls inside Python, and last the function.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

from relens.legacy.landlock import restrict
from relens.legacy.namespace import give_up, leave_network
from relens.legacy.order import Order
from relens.legacy.sockets import refuse_sockets
from relens.legacy.walls import DEVICES, Walls

DIE_WITH_PARENT = 1


def main(order: Order) -> None:
    """Run a function until it ends, or the parent says so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    for descriptor in (order.line, order.memory):
        os.set_inheritable(descriptor, False)
    folder = Path(order.folder)
    root = sys.platform == "linux" and os.geteuid() == 0
    alone = not order.network and leave_network()
    if root and not give_up():
        alone = False  # it could go back
    # With a network of its own a refusal can name the host: Python's wall hears of it, because there are sockets.
    filtered = not order.network and not alone and refuse_sockets()
    landlock = restrict([folder / "tmp", *map(Path, DEVICES)], network=order.network)
    # Ours are loaded before a module of the function can stand in the way of one of theirs.
    import_module("relens.engines.litert")
    from relens.legacy import shims, source
    from relens.legacy.execute import Execution
    from relens.legacy.link import Link, connect, leave
    from relens.legacy.paths import Paths

    link = Link(socket.socket(fileno=order.line), order.memory, Path(order.models), folder)
    connect(link)
    link.tell("walls", landlock=landlock, alone=alone, filtered=filtered)
    file = Path(order.file)
    shims.install(file.parent)
    source.old_names()
    python = 2 if source.language(file) == 2 else None  # a module beside it may tell
    source.install_finder(file.parent, python=python)
    os.chdir(file.parent)
    sys.path.append(str(file.parent))  # for machine code; all else is found before, by the finder
    sys.argv = [str(file)]
    kept = [
        file.parent,
        folder,
        Path(order.models),
        *map(Path, {sys.prefix, sys.base_prefix, *sys.path} - {"", "/tmp"}),
    ]
    kept = [path for path in kept if path != Path("/tmp")]  # it is mapped, whatever lies in it
    Paths(link, kept, lenient=python == 2).install()
    # Before version 3 a program may cut files short that are not its own.
    walled_in = landlock >= 3 and (order.network or alone or filtered)
    Walls((folder / "tmp",), order.network, walled_in, file.parent, link.trouble).stand()
    Execution(link, file, order.handler, python).run()
    leave()


if __name__ == "__main__":
    main(Order(**json.loads(sys.argv[1])))
