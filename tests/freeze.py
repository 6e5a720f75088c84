"""Freeze a Keras file into a TF1 graph, as its owners once did: `python freeze.py MODEL.h5 GRAPH.pb`."""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def main(source: Path, target: Path) -> None:
    """Trace, turn variables into constants, write the GraphDef."""
    model = keras.models.load_model(source, compile=False)
    shape = (1, *model.inputs[0].shape[1:])
    traced = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="image")
    )
    target.write_bytes(convert_variables_to_constants_v2(traced).graph.as_graph_def().SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
