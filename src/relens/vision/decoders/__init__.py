"""From output tensors to a Prediction. One file a decoder: a config and `decode`.

A package adds its own under the entry-point group `relens.decoders`: the name a user writes after
`[output] decoder =`, and a class that fits `Decoder`, built as `Class(config, outputs, input_size)` with a
nested pydantic `Config`.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadConfig
from relens.graph import Tensor
from relens.spec import OutputSpec, Strict, Task, validate
from relens.vision.placement import Placement
from relens.vision.prediction import Prediction

BUILT_IN = {
    "softmax": "relens.vision.decoders.softmax:Softmax",
    "yolo": "relens.vision.decoders.yolo:Yolo",
    "blazeface": "relens.vision.decoders.blazeface:BlazeFace",
    "tensors": "relens.vision.decoders.tensors:RawTensors",
}


class Decoder(Protocol):
    """Reads one frame's float outputs."""

    Config: ClassVar[type[Strict]]
    task: ClassVar[Task]

    def __init__(self, config: Any, outputs: Sequence[Tensor], input_size: tuple[int, int]) -> None: ...

    def decode(self, outputs: Mapping[str, NDArray[np.float32]], placement: Placement) -> Prediction:
        """Turn dequantized outputs, by name, into a prediction in frame pixels."""
        ...


def load_decoder(spec: OutputSpec, outputs: Sequence[Tensor], input_size: tuple[int, int], **override: Any) -> Decoder:
    """Build the decoder that `[output]` names.

    Args:
        spec: the `[output]` table.
        outputs: the graph's outputs.
        input_size: height and width of the input in pixels.
        override: parameters to set where this decoder has them (evaluation lowers `score_threshold`).

    Raises:
        BadConfig: RL-CONFIG-003 for an unknown decoder, or parameters or outputs that do not fit it.
    """
    kind = decoder_class(spec.decoder)
    known = {key: value for key, value in override.items() if key in kind.Config.model_fields}
    config = validate(kind.Config, {**spec.parameters, **known}, where=f'[output] decoder = "{spec.decoder}"')
    return kind(config, outputs, input_size)


def decoder_class(name: str) -> type[Decoder]:
    """The class behind a decoder's name, imported on first use."""
    plugins = {point.name: point for point in entry_points(group="relens.decoders")}
    if name in plugins:
        return plugins[name].load()  # type: ignore[no-any-return]
    if name not in BUILT_IN:
        known = sorted((*BUILT_IN, *plugins))
        near = get_close_matches(name, known, n=1)
        raise BadConfig(
            "RL-CONFIG-003",
            f"[output] decoder: there is no decoder `{name}`",
            hint=f"did you mean `{near[0]}`?" if near else f"known decoders: {', '.join(known)}",
        )
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def misfit(decoder: str, wanted: str, outputs: Sequence[Tensor]) -> BadConfig:
    """The error for outputs that a decoder cannot read."""
    found = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in outputs)
    return BadConfig(
        "RL-CONFIG-003",
        f'[output] decoder = "{decoder}" wants {wanted}; this model gives {found}',
        hint="relens inspect MODEL shows the outputs; correct `[output]`",
    )
