"""`relens kit`."""

from pathlib import Path
from typing import Annotated

import typer

from relens.cli.options import AsJson, installed


def kit(
    bundle: Annotated[Path | None, typer.Argument(help="A NAME.relens that is installed at once.")] = None,
    device: Annotated[str, typer.Option(help="Device profile: deeplens, raspberry-pi-5, ..., or a profile file.")] = (
        "deeplens"
    ),
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The kit; default relens-DEVICE.sh.")] = None,
    python: Annotated[
        str | None,
        typer.Option(help="A Python of the device's own, as 3.11, or an `install_only` archive that goes along."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="1.root.json of the repository that it is to follow.")] = None,
    repository: Annotated[str | None, typer.Option(help="Where that is, as the device sees it.")] = None,
    channel: Annotated[str, typer.Option(help="Which channel of it.")] = "stable",
    settings: Annotated[Path | None, typer.Option(help="A camera.toml; default: the device's own camera.")] = None,
    openvino: Annotated[bool, typer.Option("--openvino", help="Bring OpenVINO too.")] = False,
    wheels: Annotated[Path | None, typer.Option(help="A folder that keeps downloaded wheels.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make one file that installs the camera side without a network; all in it is checked against the device."""
    from relens.cli.screen import say, say_json, stages
    from relens.errors import BadConfig

    with installed("kit", "kits"):
        from relens.kit import Trust, build_kit
    from relens.spec import device as profile

    if (root is None) != (repository is None):
        raise BadConfig("RL-CONFIG-003", "--root and --repository belong together", hint="give both, or neither")
    target = profile(device)
    with stages() as progress:
        made = build_kit(
            target,
            output or Path(f"relens-{target.name}.sh"),
            python=python,
            bundle=bundle,
            trust=Trust(root, repository, channel) if root and repository else None,
            settings=settings,
            openvino=openvino,
            wheels=wheels,
            stage=progress.stage,
        )
    if as_json:
        say_json(made.to_json())
    else:
        say(repr(made))
