"""A bundle of a model file that has no project: its contract stands in a small `NAME.toml` beside it, or nowhere."""

import logging
import tempfile
from pathlib import Path

from relens.errors import BadModel
from relens.graph import Graph
from relens.pipeline.convert import convert
from relens.pipeline.labels import read_labels
from relens.pipeline.package import package
from relens.spec import InputSpec, ModelSpec, OutputSpec, Strict, validate
from relens.spec.toml import make_absolute, read_table

logger = logging.getLogger("relens.pipeline")
AS_THEY_COME = InputSpec.model_validate({"scaling": "0..255", "colour": "bgr"})


class Notes(Strict):
    """`NAME.toml`: the tables of `relens.toml` that say what a model takes and gives."""

    model: ModelSpec
    input: InputSpec = AS_THEY_COME
    output: OutputSpec | None = None


def bundle_of(source: Path, output: Path, size: tuple[int, int] | None = None) -> None:
    """Convert a model, if it is no `.tflite` yet, and package it.

    Args:
        source: a `.tflite`, frozen `.pb`, `.keras` or `.h5` file.
        output: the bundle to write; replaced whole or not at all.
        size: height and width, for a model that leaves them open.

    Raises:
        BadModel, BadConfig, BadData, EngineTrouble: as their codes say; nothing is written then.
    """
    notes = _notes(source)
    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        graph = source
        if source.suffix != ".tflite":
            graph = Path(folder) / f"{source.stem}.tflite"
            _convert(notes.model, graph, size)
        package(
            graph,
            output,
            labels=read_labels(notes.model.labels),
            input_spec=notes.input,
            output_spec=notes.output or _decoder(Graph.read(graph)),
        )


def _notes(source: Path) -> Notes:
    path = source.with_suffix(".toml")
    values = read_table(path) if path.exists() else {}
    if not path.exists():
        logger.warning(
            "%s has no %s that says how pixels are scaled: values go in as they come, BGR 0..255",
            source.name,
            path.name,
        )
    model = values.setdefault("model", {})
    make_absolute(model, ("labels",), path)
    if isinstance(model, dict):
        values["model"] = {**model, "source": source}
    return validate(Notes, values, where=path)


def _convert(model: ModelSpec, output: Path, size: tuple[int, int] | None) -> None:
    try:
        convert(model, output)
    except BadModel as trouble:
        name, shape = trouble.details.get("input"), trouble.details.get("shape") or [None, None, None, 3]
        if size is None or model.input_shapes or not isinstance(name, str) or len(shape) != 4:
            raise
        sizes = {name: (1, *size, shape[3] or 3)}
        convert(model.model_copy(update={"input_shapes": sizes}), output)


def _decoder(graph: Graph) -> OutputSpec:
    """Class scores where there is one output of them, else the outputs as they are."""
    shapes = [tensor.shape for tensor in graph.outputs]
    scores = len(shapes) == 1 and len(shapes[0]) == 2
    return OutputSpec(decoder="softmax" if scores else "tensors")
