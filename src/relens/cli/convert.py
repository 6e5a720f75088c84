"""`relens convert`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relens.cli.options import (
    AsJson,
    Colour,
    Inputs,
    Interpolation,
    Labels,
    Outputs,
    Resize,
    Scaling,
    Shapes,
    Signature,
)


def convert(
    model: Annotated[Path, typer.Argument(help="SavedModel folder, .keras, .h5, frozen .pb or float .tflite.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .tflite to write.")],
    scheme: Annotated[str, typer.Option(help="float32 | float16 | dynamic | int8")] = "float32",
    calibration: Annotated[
        Path | None, typer.Option(help="For int8: a folder of pictures, a clip, or a .npy of ready inputs.")
    ] = None,
    io: Annotated[str | None, typer.Option(help="Type of inputs and outputs: float32 | int8")] = None,
    labels: Labels = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    signature: Signature = None,
    input_shape: Shapes = None,
    resize: Resize = "stretch",
    colour: Colour = "rgb",
    scaling: Scaling = None,
    interpolation: Interpolation = "linear",
    as_json: AsJson = False,
) -> None:
    """Convert a model to .tflite in one step, quantized if asked, checked against its source."""
    from relens.cli.options import input_spec, model_spec
    from relens.cli.screen import note, say, say_json, stages
    from relens.pipeline.convert import convert as run
    from relens.pipeline.labels import read_labels

    calibrates = scheme == "int8" and calibration is not None and calibration.suffix != ".npy"
    told = scaling or labels or (resize, colour, interpolation) != ("stretch", "rgb", "linear")
    contract = input_spec(resize, colour, scaling, interpolation) if told or calibrates else None
    if calibration is not None and scheme != "int8":
        note(f"--calibration is not used by --scheme {scheme}")
    kind: Any = scheme
    kind_io: Any = io
    source = model_spec(model, inputs, outputs, signature, input_shape)
    with stages() as progress:
        made = run(
            source,
            output,
            scheme=kind,
            calibration=calibration,
            io=kind_io,
            input_spec=contract,
            labels=read_labels(labels),
            progress=progress,
        )
    if made.float_left:
        note(f"{len(made.float_left)} tensors stay float, as {made.float_left[0]}: no integer kernel for them")
    if as_json:
        say_json(
            {
                "output": str(made.path),
                "size_bytes": made.graph.size_bytes,
                "sha256": made.graph.sha256,
                "source_kind": made.imported.kind,
                "max_error": made.imported.max_error,
                "engine": str(made.report),
                "float_left": list(made.float_left),
            }
        )
        return
    say(
        f"{made.path}: {made.graph.size_bytes / 1e6:.2f} MB, {scheme}; the float graph and {made.imported.kind} "
        f"source differ by at most {made.imported.max_error:.1e}; runs on {made.report}"
    )
