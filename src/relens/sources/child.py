"""The child process: the only place where TensorFlow is imported. `python -m relens.sources.child FOLDER`."""

import importlib
import os
import sys
import threading
from pathlib import Path

from relens.errors import BadConfig, RelensError
from relens.sources import detect
from relens.sources.probes import check_probes, draw_probes, nudged
from relens.sources.request import (
    GRAPH,
    NUDGED,
    PROBES,
    REFERENCES,
    Request,
    read_arrays,
    write_arrays,
    write_failure,
)

LOADERS = {
    detect.KERAS: "relens.sources.keras_file",
    detect.SAVED_MODEL: "relens.sources.saved_model",
    detect.FROZEN_GRAPH: "relens.sources.frozen_graph",
}
FAILED = 3


def main(folder: Path) -> int:
    """Answer the request in this folder; what relens can explain is left there as a failure."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        _answer(Request.read(folder), folder)
    except RelensError as failure:
        write_failure(folder, failure)
        return FAILED
    return 0


def _answer(request: Request, folder: Path) -> None:
    try:
        loader = importlib.import_module(LOADERS[request.kind])
        export = importlib.import_module("relens.sources.export")
    except ModuleNotFoundError as error:
        raise BadConfig(
            "RL-CONFIG-006",
            f"a {request.kind} needs {error.name} to be read, and it is not installed",
            hint='pip install "relens[build]"',
        ) from error
    model = loader.load(request)
    probes = read_arrays(folder / PROBES) if (folder / PROBES).exists() else draw_probes(model.inputs)
    check_probes(probes, model.inputs)
    write_arrays(folder / PROBES, probes)
    write_arrays(folder / REFERENCES, [model.run(probe) for probe in probes])
    write_arrays(folder / NUDGED, [model.run(nudged(probe)) for probe in probes])
    (folder / GRAPH).write_bytes(export.to_flatbuffer(model, folder))
    export.names(model).write(folder)


def _follow_parent() -> None:
    """End with the parent, whatever ended it: its end of stdin closes then."""
    while os.read(0, 1):
        pass
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
