"""Keep a C++ library's own lines off the terminal."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def silent_library() -> Iterator[None]:
    """Turn the file descriptor of stderr away while a library loads; what matters is in its exceptions.

    LiteRT writes "INFO: Created ..." from C++, past `sys.stderr` and past every log level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
