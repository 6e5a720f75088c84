"""Being somebody without rights, also where the tests run as root."""

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], Any]], Any]:
    """Call something as a user without rights, in a process of its own where the tests run as root."""
    return _as_nobody


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can come to; `tmp_path` is root's alone where root tests."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _as_nobody(call: Callable[[], Any]) -> Any:
    if os.geteuid() != 0:
        return call()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer: Any = "nothing was answered"
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            answer = call()
        except BaseException as trouble:  # a process that ends here must say why
            answer = repr(trouble)
        finally:
            os.write(writer, pickle.dumps(answer))
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(content)
