"""Frame -> input tensor, output tensors -> Prediction, drawing: one contract for the whole way."""

from relens.vision.decoders import Decoder, decoder_class, load_decoder
from relens.vision.draw import draw
from relens.vision.frames import Frames, frames_from, frames_from_files, read_picture
from relens.vision.model import Outputs, VisionModel
from relens.vision.picture import drawn_jpeg, jpeg
from relens.vision.placement import Placement
from relens.vision.prediction import Classes, Detections, Prediction, Tensors, class_name, to_json
from relens.vision.preprocess import Frame, Prepared, Preprocessor

__all__ = [
    "Classes",
    "Decoder",
    "Detections",
    "Frame",
    "Frames",
    "Outputs",
    "Placement",
    "Prediction",
    "Prepared",
    "Preprocessor",
    "Tensors",
    "VisionModel",
    "class_name",
    "decoder_class",
    "draw",
    "drawn_jpeg",
    "frames_from",
    "frames_from_files",
    "jpeg",
    "load_decoder",
    "read_picture",
    "to_json",
]
