"""A model file of any kind -> one canonical float graph that provably answers as the source does."""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relens.errors import BadConfig, BadModel
from relens.graph import Graph, findings, normalised, with_signature
from relens.sources import detect, tflite_file
from relens.sources.agreement import compare
from relens.sources.failure import explain
from relens.sources.ports import Port
from relens.sources.probes import check_probes, draw_probes
from relens.sources.process import Limits, run_limited
from relens.sources.request import (
    GRAPH,
    NUDGED,
    PROBES,
    REFERENCES,
    RESULTS,
    SOURCE,
    Arrays,
    Names,
    Request,
    read_arrays,
    write_arrays,
)

# The children's own settings. Keras looks for keras.json in their folder: a user's could turn the layout round.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": ".",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_USE_LEGACY_KERAS": "0",
}

# Which kinds of source an option is for.
OPTIONS = {
    "inputs": (detect.FROZEN_GRAPH,),
    "outputs": (detect.SAVED_MODEL, detect.KERAS, detect.FROZEN_GRAPH),
    "signature": (detect.SAVED_MODEL,),
    "input_shapes": (detect.SAVED_MODEL, detect.KERAS, detect.FROZEN_GRAPH),
}


@dataclass(frozen=True)
class Imported:
    """A source as a graph.

    Attributes:
        graph: batch 1, named inputs and outputs, plain float operations.
        kind: what the source is: "SavedModel", "Keras", "frozen graph" or "TFLite".
        source_sha256: the hash of the source's content, wherever it lies.
        max_error: the largest |source - graph| over all outputs and probes.
        relative_error: the largest |source - graph| / max |source|, output by output.
        log: the end of what TensorFlow had to say.
    """

    graph: Graph
    kind: str
    source_sha256: str
    max_error: float
    relative_error: float
    log: str = field(repr=False)


def import_model(
    path: Path,
    *,
    probes: Sequence[Arrays] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    limits: Limits = Limits(),  # noqa: B008  frozen
    progress: Callable[[str], None] | None = None,
) -> Imported:
    """Import a SavedModel folder, a `.keras` or `.h5` file, a frozen `.pb` or a float `.tflite`.

    Args:
        path: the source.
        probes: inputs by name, in the model's shapes with a batch of 1, to compare source and graph on;
            without any, three seeded random ones.
        inputs: of a frozen graph, the tensors to feed.
        outputs: the outputs to keep; of a frozen graph, any tensors.
        signature: of a SavedModel, which one, where it has several.
        input_shapes: sizes where the source leaves them open, by input name, batch included.
        limits: what the child process may use.
        progress: is told what happens, one line at a time.

    Raises:
        BadModel: RL-SOURCE-001 to -017, what is wrong with the file; RL-GRAPH-006 and -007, the converted
            graph lost its weights or cannot run on a camera.
        BadConfig: RL-CONFIG-005, an option that this kind of source does not have; -006, TensorFlow is
            needed and not installed.
    """
    tell = progress or (lambda line: None)
    kind = detect.detect_kind(path)
    request = Request(kind, str(path.absolute()), _tuple(inputs), _tuple(outputs), signature, input_shapes)
    _check_options(request)
    with tempfile.TemporaryDirectory(prefix="relens-import-") as name:
        folder = Path(name)
        if probes:
            write_arrays(folder / PROBES, probes)
        if kind == detect.TFLITE:
            tell(f"reading {path}")
            graph, log = _read(request, folder), ""
        else:
            tell(f"converting {path} ({kind}) with TensorFlow, in a process of its own")
            graph, log = _convert(request, folder, limits)
        tell("comparing the graph with its source")
        return _proven(graph, request, folder, limits, log)


def _check_options(request: Request) -> None:
    """Refuse an option that this kind of source would ignore."""
    for name, kinds in OPTIONS.items():
        if getattr(request, name) is not None and request.kind not in kinds:
            raise BadConfig(
                "RL-CONFIG-005",
                f"`{name}` is for {' or '.join(kinds)}, and the kind of {request.path} is {request.kind}",
                hint=f"leave `{name}` out",
            )


def _convert(request: Request, folder: Path, limits: Limits) -> tuple[Graph, str]:
    """Let a child convert; it leaves probes and the source's answers in the folder too."""
    request.write(folder)
    log = _child("relens.sources.child", "TensorFlow", request, folder, limits)
    names = Names.read(folder)
    graph = Graph.from_bytes((folder / GRAPH).read_bytes(), origin=request.path)
    inputs = [names.inputs[int(tensor.name.removeprefix("input_"))] for tensor in graph.inputs]
    outputs = [names.outputs[int(tensor.name.removeprefix("output_"))] for tensor in graph.outputs]
    return normalised(with_signature(graph, inputs, outputs)), log


def _read(request: Request, folder: Path) -> Graph:
    """Read a `.tflite`; leaves it and probes in the folder."""
    source = tflite_file.load(Path(request.path))
    source.write(folder / SOURCE)
    graph = tflite_file.canonical(source)
    ports = [Port(tensor.name, tensor.shape, tensor.dtype) for tensor in graph.inputs]
    if not (folder / PROBES).exists():
        write_arrays(folder / PROBES, draw_probes(ports))
    check_probes(read_arrays(folder / PROBES), ports)
    return graph


def _proven(graph: Graph, request: Request, folder: Path, limits: Limits, log: str) -> Imported:
    """Hold the graph against the source's own answers."""
    for finding in findings(graph):
        if finding.fatal:
            raise BadModel(finding.code, f"{request.path}: {finding.message}", hint=finding.hint)
    graph.write(folder / GRAPH)
    _child("relens.sources.runner", "LiteRT", request, folder, limits)
    source, nudged, answers = (read_arrays(folder / name) for name in (REFERENCES, NUDGED, RESULTS))
    agreement = compare(source, nudged, answers, Path(request.path))
    return Imported(
        graph=graph,
        kind=request.kind,
        source_sha256=content_sha256(Path(request.path)),
        max_error=agreement.max_error,
        relative_error=agreement.relative_error,
        log=log,
    )


def _child(module: str, engine: str, request: Request, folder: Path, limits: Limits) -> str:
    """Run one of this package's programs on the folder; returns what it printed."""
    command = [sys.executable, "-m", module, str(folder)]
    ended = run_limited(command, folder=folder, limits=limits, environment=ENVIRONMENT)
    if ended.broke or ended.returncode:
        raise explain(ended, engine, request, folder, limits)
    return ended.log


def content_sha256(path: Path) -> str:
    """The hash of a file's content; of a folder, of its files in sorted order with their relative names."""
    if path.is_file():
        return _file_sha256(path).hexdigest()
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    whole = hashlib.sha256()
    for name, file in files:
        whole.update(name.encode() + b"\0" + _file_sha256(file).digest())
    return whole.hexdigest()


def _file_sha256(path: Path) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest


def _tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
