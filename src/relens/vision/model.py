"""A loaded graph with its eyes: frame in, prediction out. Evaluation, acceptance and the live loop all run this."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.engines import Engine, dequantize
from relens.spec import InputSpec, OutputSpec
from relens.vision.decoders import load_decoder
from relens.vision.placement import Placement
from relens.vision.prediction import Prediction
from relens.vision.preprocess import Frame, Prepared, Preprocessor, picture_input

Outputs = dict[str, NDArray[np.float32]]


class VisionModel:
    """An engine between one preprocessor and one decoder.

    The three steps can be called one by one (and so overlap in a loop), or together as `predict`.

    Args:
        engine: a loaded graph with one picture input.
        input_spec: the `[input]` table.
        output_spec: the `[output]` table.
        override: decoder parameters to set, such as a lower `score_threshold` for evaluation.
    """

    def __init__(self, engine: Engine, input_spec: InputSpec, output_spec: OutputSpec, **override: Any) -> None:
        self.engine = engine
        self.preprocessor = Preprocessor(input_spec, picture_input(engine.inputs))
        self.decoder = load_decoder(output_spec, engine.outputs, self.preprocessor.size, **override)

    def prepare(self, frame: Frame) -> Prepared:
        """Frame (H, W, 3) uint8 BGR to input tensor."""
        return self.preprocessor(frame)

    def infer(self, prepared: Prepared) -> Outputs:
        """Input tensor to float outputs by name."""
        raw = self.engine.run({self.engine.inputs[0].name: prepared.tensor})
        return {tensor.name: dequantize(raw[tensor.name], tensor) for tensor in self.engine.outputs}

    def decode(self, outputs: Outputs, placement: Placement) -> Prediction:
        """Float outputs to a prediction in frame pixels."""
        return self.decoder.decode(outputs, placement)

    def predict(self, frame: Frame) -> Prediction:
        """All three steps."""
        prepared = self.prepare(frame)
        return self.decode(self.infer(prepared), prepared.placement)
