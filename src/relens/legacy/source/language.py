"""The language of a function of several files: one interpreter ran them all."""

from collections.abc import Iterator
from pathlib import Path

from relens.legacy.source.adapter import read
from relens.legacy.source.needs import needs


def language(main: Path) -> int:
    """2 if the function's file, or a module beside it that it imports, is Python 2; otherwise 3.

    Pass 2 on to `adapt` and `install_finder`, so that `/` floors in those files too that alone could be Python 3.
    Files and errors as `adapt`.
    """
    return min(read(file.read_bytes(), str(file)).python for file in _imported(main))


def _imported(main: Path) -> Iterator[Path]:
    """The file, and what it imports from its own folder, each once."""
    seen, waiting = {main}, [main]
    while waiting:
        file = waiting.pop()
        yield file
        beside = {main.parent / f"{name}.py" for name in needs(file.read_bytes(), str(file)).modules}
        new = sorted(path for path in beside - seen if path.is_file())
        seen.update(new)
        waiting += new
