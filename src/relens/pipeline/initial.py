"""A first `relens.toml`, written by looking at the model."""

import json
from pathlib import Path

from relens.errors import BadConfig
from relens.files import write_whole
from relens.graph import Graph
from relens.pipeline.progress import Progress, Silent
from relens.sources import import_model

TEMPLATE = """\
# Written by `relens init`. Every key has a default; the ones to check are marked with (?).

[model]
source = {source}
task = "{task}"
# labels = "labels.txt"        # one class name a line

[input]                        # the model's input is {shape}
resize = "stretch"             # (?) stretch | crop | letterbox | letterbox-top-left
interpolation = "linear"       # (?) linear: tf.image.resize, OpenCV; antialias: Pillow, PyTorch pipelines
colour = "{colour}"               # (?) rgb | bgr | grey
scaling = "0..1"               # (?) how training scaled pixels: 0..1 | -1..1 | 0..255 | {{ mean = [..], std = [..] }}

[output]                       # the model's outputs: {outputs}
decoder = "{decoder}"

[data]                         # without labels, candidates are held against the float model
# calibration = "pictures/"    # about 100 pictures like those the camera will see, or a clip
# validation = "labels.csv"    # file,label a line; or a COCO instances.json; or one folder a class

[device]
profile = "this-machine"       # or deeplens

[goals]
max_accuracy_drop = 0.02       # fraction; also: max_latency_ms, max_size_mb, max_memory_mb
"""


def init(model: str | Path, folder: str | Path = ".", *, progress: Progress | None = None) -> Path:
    """Write `relens.toml` into `folder` for a model file; an existing one is never overwritten.

    Raises:
        BadConfig: RL-CONFIG-001 when there is a `relens.toml` already.
        BadModel: as `relens.import_model`.
    """
    path = Path(folder) / "relens.toml"
    if path.exists():
        raise BadConfig("RL-CONFIG-001", f"{path} exists already", hint="edit it, or remove it first")
    (progress or Silent()).stage("import")
    source = Path(model).absolute()
    text = draft(source, import_model(source).graph, path.absolute().parent)
    write_whole(path, [text.encode()])
    return path


def draft(source: Path, graph: Graph, folder: Path) -> str:
    """The text of a first project file."""
    shape = graph.inputs[0].shape
    decoder, task = _guess(graph)
    return TEMPLATE.format(
        source=json.dumps(source.relative_to(folder).as_posix() if source.is_relative_to(folder) else str(source)),
        task=task,
        shape=" x ".join(map(str, shape)),
        colour="grey" if 1 in (shape[1:2] + shape[-1:]) else "rgb",
        outputs=", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in graph.outputs),
        decoder=decoder,
    )


def _guess(graph: Graph) -> tuple[str, str]:
    first = graph.outputs[0].shape
    if len(graph.outputs) == 1 and len(first) == 2:
        return "softmax", "classification"
    if len(graph.outputs) == 1 and len(first) == 3:
        return "yolo", "detection"
    return "tensors", "tensors"
