"""`relens init`."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    model: Annotated[Path, typer.Argument(help="SavedModel folder, .keras, .h5, frozen .pb or float .tflite.")],
    folder: Annotated[Path, typer.Argument(help="Where relens.toml goes.")] = Path(),
) -> None:
    """Write a first relens.toml by looking at a model."""
    from relens.cli.screen import say, stages
    from relens.pipeline.initial import init as write

    with stages() as progress:
        path = write(model, folder, progress=progress)
    say(f"{path}: check the lines marked (?), then: relens build {folder}")
