"""Options that several commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from relens.spec import BrokerSettings, InputSpec, ModelSpec

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Labels = Annotated[Path | None, typer.Option(help="Class names, one a line.")]
Resize = Annotated[str, typer.Option(help="stretch | crop | letterbox | letterbox-top-left")]
Colour = Annotated[str, typer.Option(help="rgb | bgr | grey")]
Scaling = Annotated[str | None, typer.Option(help="How training scaled pixels: 0..1 | -1..1 | 0..255")]
Interpolation = Annotated[str, typer.Option(help="linear | antialias | area")]
Inputs = Annotated[list[str] | None, typer.Option(help="Of a frozen graph: nodes to feed. May be repeated.")]
Outputs = Annotated[list[str] | None, typer.Option(help="Outputs to keep. May be repeated.")]
Signature = Annotated[str | None, typer.Option(help="Of a SavedModel: which signature.")]
Shapes = Annotated[list[str] | None, typer.Option("--input-shape", help="Open sizes: NAME=1,224,224,3.")]


def model_spec(
    source: Path, inputs: list[str] | None, outputs: list[str] | None, signature: str | None, shapes: list[str] | None
) -> "ModelSpec":
    """The `[model]` table from command-line options."""
    from relens.spec import ModelSpec, validate

    pairs = [shape.partition("=") for shape in shapes or ()]
    values = {
        "source": source,
        "inputs": inputs or None,
        "outputs": outputs or None,
        "signature": signature,
        "input_shapes": {name: sizes.split(",") for name, _, sizes in pairs} or None,
    }
    return validate(ModelSpec, values, where="the options")


def input_spec(resize: str, colour: str, scaling: str | None, interpolation: str) -> "InputSpec":
    """The `[input]` table from command-line options; says so on stderr where it has to guess."""
    from relens.cli.screen import note
    from relens.spec import InputSpec, validate

    if scaling is None:
        note("pixels are scaled to 0..1; if training did it another way, say so with --scaling")
    values = {"resize": resize, "colour": colour, "scaling": scaling or "0..1", "interpolation": interpolation}
    return validate(InputSpec, values, where="the options")


def broker(address: str | None) -> "BrokerSettings | None":
    """What `--mqtt HOST[:PORT]` names: 1883 without TLS where no port is said, TLS on 8883."""
    from relens.spec import BrokerSettings, validate

    if address is None:
        return None
    host, _, port = address.partition(":")
    values = {"host": host, "port": port or 1883, **({} if port == "8883" else {"tls": False})}
    return validate(BrokerSettings, values, where="--mqtt")


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """KEY=VALUE options, by key.

    Raises:
        BadConfig: RL-CONFIG-003 for one without an equals sign.
    """
    from relens.errors import BadConfig

    for pair in given or ():
        if "=" not in pair or pair.startswith("="):
            raise BadConfig("RL-CONFIG-003", f"{option} {pair}: this is not KEY=VALUE", hint=f"{option} NAME=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in given or ())}


@contextmanager
def installed(extra: str = "deliver", what: str = "keys, repositories and mirrors") -> Iterator[None]:
    """What is imported here may not be there."""
    from relens.errors import BadConfig

    try:
        yield
    except ImportError as trouble:
        raise BadConfig(
            "RL-CONFIG-006",
            f"{what} need what is not installed: {trouble.name}",
            hint=f'pip install "relens[{extra}]"',
        ) from None
