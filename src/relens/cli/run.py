"""`relens run`."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from relens.cli.options import AsJson


def run(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    camera: Annotated[
        str, typer.Option(help="A clip, a folder of pictures, a V4L2 number, a named pipe or an rtsp:// address.")
    ],
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames, with a summary.")] = None,
    page: Annotated[bool, typer.Option(help="Serve the live page.")] = True,
    port: Annotated[int, typer.Option(help="The live page's port on 127.0.0.1; 0 takes a free one.")] = 8080,
    engine: Annotated[str | None, typer.Option(help="Another engine than the bundle asks for.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the engine.")] = None,
    fast: Annotated[bool, typer.Option(help="Play clips as fast as they are consumed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Accept a bundle on this machine, then run it on a camera, with a live page."""
    from relens.bundle import open_bundle
    from relens.cli.screen import note, say, say_json
    from relens.device import run as go

    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        summary = go(
            open_bundle(bundle, Path(folder)),
            camera,
            frames=frames,
            live=page,
            port=port,
            engine=engine,
            threads=threads,
            real_time=not fast,
            on_ready=lambda url: note(f"live page: {url}"),
        )
    if as_json:
        say_json(summary.to_json())
    else:
        say(repr(summary))
