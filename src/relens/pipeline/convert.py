"""One step for people who want one step: a model file to a quantized `.tflite`."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from relens.engines import EngineReport, load_engine
from relens.errors import BadData
from relens.files import check_writable
from relens.graph import Graph, Tensor, float_tensors, with_metadata
from relens.pipeline.labels import check_labels
from relens.pipeline.progress import Progress, Silent
from relens.quantize import InputOutput, Samples, check_request, quantize
from relens.sources import Imported, import_model
from relens.spec import InputSpec, ModelSpec, Scheme
from relens.vision import Frames, Preprocessor, frames_from


@dataclass(frozen=True)
class Converted:
    """A written `.tflite`. float_left: tensors of an int8 file that the quantizer had to leave in float."""

    path: Path
    graph: Graph = field(repr=False)
    imported: Imported = field(repr=False)
    report: EngineReport
    float_left: tuple[str, ...]


def convert(
    model: str | Path | ModelSpec,
    output: str | Path,
    *,
    scheme: Scheme = "float32",
    calibration: str | Path | None = None,
    io: InputOutput | None = None,
    input_spec: InputSpec | None = None,
    labels: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Converted:
    """Convert a model file of any kind to a `.tflite`, quantized as asked, and load it once to see that it runs.

    Args:
        model: a SavedModel folder, `.keras`, `.h5`, frozen `.pb` or float `.tflite`; a `ModelSpec` where the source
            leaves a choice of inputs, outputs, signature or sizes.
        output: the `.tflite` to write; replaced whole or not at all.
        scheme: `float32`, `float16`, `dynamic` or `int8`.
        calibration: for `int8`: a folder of pictures, a clip, or a `.npy` of ready inputs (N, ...) float32.
        io: type of inputs and outputs; None takes the scheme's own.
        input_spec: how pictures become inputs; it is also written into the file as TFLite metadata.
        labels: class names, written into the file as TFLite metadata.
        progress: told what happens.

    Raises:
        BadConfig: RL-QUANT-001, -002 for requests that make no sense, before anything is converted.
        BadModel, BadData, EngineTrouble: as their codes say.
    """
    progress = progress or Silent()
    check_request(scheme, io, calibration is not None)
    path = Path(output)
    source = model if isinstance(model, ModelSpec) else ModelSpec(source=Path(model))
    check_writable(path, source.source)
    progress.stage("import")
    imported = import_source(source, progress)
    spec = input_spec or InputSpec()
    samples: Samples = ()
    if scheme == "int8" and calibration is not None:
        samples = _samples(Path(calibration), imported.graph, spec)
    progress.stage(f"quantize ({scheme})")
    check_labels(imported.graph, labels)
    graph = quantize(imported.graph, scheme, samples=samples, io=io, progress=progress.advance).graph
    if input_spec is not None or labels:
        graph = with_metadata(
            graph,
            labels=labels,
            mean=spec.scaling.mean,
            std=spec.scaling.std,
            name=source.source.stem,
            description=f"{scheme}, made by relens",
            colour=spec.colour,
        )
    graph.write(path)
    progress.stage("load")
    left = float_tensors(graph) if scheme == "int8" and io != "float32" else ()
    return Converted(path, graph, imported, load_engine(path).report, tuple(left))


def import_source(model: ModelSpec, progress: Progress) -> Imported:
    """Import what `[model]` names."""
    return import_model(
        model.source,
        inputs=model.inputs,
        outputs=model.outputs,
        signature=model.signature,
        input_shapes=model.input_shapes,
        progress=lambda note: progress.advance(0.5, note),
    )


def calibration_samples(frames: Frames, spec: InputSpec, tensor: Tensor) -> Samples:
    """Pictures through the vision contract, as the quantizer wants them."""
    preprocessor = Preprocessor(spec, tensor)
    return [{tensor.name: preprocessor(frame).tensor} for frame in frames]


def _samples(calibration: Path, graph: Graph, spec: InputSpec) -> Samples:
    tensor = graph.inputs[0]
    if calibration.suffix != ".npy":
        return calibration_samples(frames_from(calibration, 128), spec, tensor)
    try:
        rows = np.load(calibration, allow_pickle=False)
    except (OSError, ValueError, EOFError) as trouble:
        raise BadData("RL-DATA-002", f"{calibration}: {trouble}", hint="save it with numpy.save") from None
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiu":
        raise BadData("RL-DATA-002", f"{calibration} is not one array of numbers", hint="save it with numpy.save")
    if rows.ndim != len(tensor.shape) or rows.shape[1:] != tensor.shape[1:]:
        raise BadData(
            "RL-DATA-004",
            f"{calibration} has shape {rows.shape}, and input `{tensor.name}` takes (N, {tensor.shape[1:]})",
            hint="save ready inputs, one a row",
        )
    return [{tensor.name: np.asarray(row[None], np.float32)} for row in rows]
