"""`relens prove`."""

from pathlib import Path
from typing import Annotated

import typer

from relens.cli.options import AsJson


def prove(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    device: Annotated[str, typer.Option(help="Device profile: deeplens, raspberry-pi-5, ..., or a profile file.")] = (
        "deeplens"
    ),
    kit: Annotated[Path | None, typer.Option(help="Run what this kit installs, not this Python's packages.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="A root file system whose C library is taken; tools/ubuntu-16.04 makes one.")
    ] = None,
    camera: Annotated[str, typer.Option(help="A clip or a folder of pictures; golden: the golden frames.")] = "golden",
    frames: Annotated[int, typer.Option(min=1, help="How many live frames.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Run a bundle on an emulated device and here, compare all answers, and put the proof into the report."""
    from relens.cli.screen import note, say, say_json, stages
    from relens.kit import into_report
    from relens.kit import prove as go
    from relens.spec import device as profile

    with stages() as progress:
        proof = go(bundle, profile(device), kit=kit, root=root, camera=camera, frames=frames, stage=progress.stage)
    for file in into_report(proof, bundle):
        note(f"written to {file}")
    if as_json:
        say_json(proof.to_json())
    else:
        say(repr(proof))
    if not proof.holds:
        raise typer.Exit(1)
