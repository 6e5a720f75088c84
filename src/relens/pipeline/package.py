"""One step: a `.tflite` and its labels to a bundle. Nothing is compared; the golden frames are what it says now."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from relens.bundle import Lineage, Manifest, Needs, write_bundle
from relens.engines import load_engine
from relens.files import check_writable
from relens.graph import Graph, with_metadata, with_signature
from relens.pipeline.golden import golden_frames, synthetic_frames, tolerance
from relens.pipeline.labels import check_labels
from relens.spec import Goals, InputSpec, OutputSpec, Scheme
from relens.vision import VisionModel, decoder_class, frames_from
from relens.vision.placement import input_size


def package(
    model: str | Path,
    output: str | Path,
    *,
    labels: tuple[str, ...] = (),
    input_spec: InputSpec | None = None,
    output_spec: OutputSpec | None = None,
    pictures: str | Path | None = None,
    engine: str = "litert",
    goals: Goals | None = None,
) -> Manifest:
    """Package a `.tflite` file as a bundle.

    Args:
        model: any `.tflite`, quantized or not.
        output: the bundle to write; replaced whole or not at all.
        labels: class names, in order.
        input_spec: how frames become its input.
        output_spec: its decoder; default: `softmax` where the output is one score a label.
        pictures: real frames for the golden set; without any, smooth synthetic ones are used.
        engine: what the camera shall run it with.
        goals: what the camera's acceptance shall hold it to.

    Raises:
        BadModel, BadConfig, BadData, EngineTrouble: as their codes say; nothing is written then.
    """
    source = Path(model)
    check_writable(Path(output), source)
    graph = with_signature(Graph.read(source))
    spec, decoder = input_spec or InputSpec(), output_spec or OutputSpec()
    check_labels(graph, labels)
    scheme = scheme_of(graph)
    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        file = Path(folder) / "model.tflite"
        graph.write(file)
        vision = VisionModel(load_engine(file, engine), spec, decoder)
        size = input_size(spec, graph.inputs[0].shape)
        frames = frames_from(Path(pictures)) if pictures else synthetic_frames(size)
        golden = golden_frames(vision, frames)
    carried = with_metadata(
        graph,
        labels=labels,
        mean=spec.scaling.mean,
        std=spec.scaling.std,
        name=source.stem,
        description="packaged by relens",
        colour=spec.colour,
    )
    draft = Manifest(
        name=source.stem,
        task=decoder_class(decoder.decoder).task,
        scheme=scheme,
        input=spec,
        output=decoder.model_dump(mode="json"),
        needs=Needs(engine=engine, relens=version("relens")),
        goals=goals or Goals(),
        tolerance=tolerance(scheme),
        lineage=Lineage(
            source=source.name,
            source_kind="TFLite",
            source_sha256=graph.sha256,
            graph_sha256=graph.sha256,
            recipe=(),
            tools={"ai-edge-litert": version("ai-edge-litert")},
        ),
        files=(),
    )
    return write_bundle(Path(output), draft, carried, labels, golden)


def scheme_of(graph: Graph) -> Scheme:
    """Which scheme a file was quantized by, from its tensors' types."""
    activations = {tensor.dtype for tensor in graph.tensors if not tensor.constant}
    constants = {tensor.dtype for tensor in graph.tensors if tensor.constant and tensor.elements > 16}
    if "int8" in activations:
        return "int8"
    if "int8" in constants:
        return "dynamic"
    return "float16" if "float16" in constants else "float32"
