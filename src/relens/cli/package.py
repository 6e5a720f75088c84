"""`relens package`."""

from pathlib import Path
from typing import Annotated

import typer

from relens.cli.options import AsJson, Colour, Interpolation, Labels, Resize, Scaling


def package(
    model: Annotated[Path, typer.Argument(help="A .tflite file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The bundle to write (NAME.relens).")],
    labels: Labels = None,
    decoder: Annotated[str, typer.Option(help="softmax | yolo | blazeface | tensors")] = "softmax",
    pictures: Annotated[Path | None, typer.Option(help="Real frames for the golden set.")] = None,
    engine: Annotated[str, typer.Option(help="litert | openvino")] = "litert",
    resize: Resize = "stretch",
    colour: Colour = "rgb",
    scaling: Scaling = None,
    interpolation: Interpolation = "linear",
    as_json: AsJson = False,
) -> None:
    """Package a .tflite as a bundle in one step."""
    from relens.cli.options import input_spec
    from relens.cli.screen import note, say, say_json
    from relens.pipeline.labels import read_labels
    from relens.pipeline.package import package as run
    from relens.spec import OutputSpec

    contract = input_spec(resize, colour, scaling, interpolation)
    if pictures is None:
        note("no --pictures: the golden frames are synthetic; nothing says yet how good the model is")
    manifest = run(
        model,
        output,
        labels=read_labels(labels),
        input_spec=contract,
        output_spec=OutputSpec(decoder=decoder),
        pictures=pictures,
        engine=engine,
    )
    if as_json:
        say_json({"output": str(output), "manifest": manifest.model_dump(mode="json")})
        return
    say(f"{output}: {manifest.name}, {manifest.scheme}, {len(manifest.files) + 1} files")
    say(f"next: relens run {output} --camera CLIP_OR_FOLDER_OR_NUMBER")
