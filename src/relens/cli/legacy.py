"""`relens legacy`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from relens.legacy.models import Builder

app = typer.Typer(help="Old AWS DeepLens functions, unchanged.", no_args_is_help=True)


@app.callback()
def legacy() -> None:
    """Old AWS DeepLens functions, unchanged."""


@app.command("run")
def run(
    function: Annotated[Path, typer.Argument(help="lambda_function.py, its folder, or the zip for AWS Lambda.")],
    models: Annotated[Path, typer.Option(help="A folder of bundles (NAME.relens), or of models to build them from.")],
    camera: Annotated[
        str, typer.Option(help="A clip, a folder of pictures, a V4L2 number, a named pipe or an rtsp:// address.")
    ],
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames, with a summary.")] = None,
    handler: Annotated[str | None, typer.Option(help="MODULE.FUNCTION, as AWS Lambda had it.")] = None,
    page: Annotated[bool, typer.Option(help="Serve the live page.")] = True,
    port: Annotated[int, typer.Option(help="The live page's port on 127.0.0.1; 0 takes a free one.")] = 8080,
    mqtt: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]", help="Publish to this broker; TLS on port 8883 only."),
    ] = None,
    network: Annotated[bool, typer.Option("--network", help="Let the function use the network.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Keep what the function writes into /tmp here.")] = None,
    thing: Annotated[str, typer.Option(help="AWS_IOT_THING_NAME.")] = "deeplens",
    env: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A variable for it. May be repeated.")
    ] = None,
    fast: Annotated[bool, typer.Option(help="Play clips and folders as fast as frames are taken.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run an old function on a camera, in a sandbox: awscam, mo and greengrasssdk are here."""
    from relens.cli.options import broker, pairs
    from relens.cli.screen import note, say, say_json
    from relens.legacy import run as go

    summary = go(
        function,
        models,
        camera,
        handler=handler,
        frames=frames,
        live=page,
        port=port,
        broker=broker(mqtt),
        network=network,
        folder=folder,
        thing=thing,
        environment=pairs(env, "--env"),
        build=_builder(),
        real_time=not fast,
        on_ready=lambda url: note(f"live page: {url}"),
        on_note=note,
    )
    if as_json:
        say_json(summary.to_json())
    else:
        say(repr(summary))


def _builder() -> "Builder | None":
    """What makes bundles of models: on a camera there is nothing to convert one with."""
    from importlib.util import find_spec

    if find_spec("tensorflow") is None:
        return None
    from relens.pipeline.bare import bundle_of

    return bundle_of
