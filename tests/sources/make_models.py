"""Write small models of every kind, good and bad, and what some of them answer.

Run as a script, because it needs TensorFlow: `python make_models.py FOLDER [FLOWERS_H5]`.
"""

import json
import os
import sys
import zipfile
from pathlib import Path

os.environ.update(
    TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow", TF_ENABLE_ONEDNN_OPTS="0"
)

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


class Mine(layers.Layer):
    """A layer that no other program has."""

    def call(self, x):
        return x + 1


class Odd(tf.Module):
    """Functions that a camera cannot have."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.reshape(tf.range(8.0), (4, 2)))

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
    def one(self, x):
        return {"y": x @ self.weights}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
    def two(self, x):
        return {"y": x @ self.weights * 2}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
    def nan(self, x):
        return {"y": tf.math.log(x - 10)}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
    def foreign(self, x):
        return {"y": tf.linalg.det(tf.reshape(x, (-1, 2, 2)))}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="jpeg")])
    def strings(self, jpeg):
        return {"y": tf.io.decode_raw(jpeg, tf.uint8, fixed_length=4)}

    @tf.function(input_signature=[tf.TensorSpec((4, 4), name="x")])
    def four(self, x):
        return {"y": x @ self.weights}


def keras_models():
    """Two inputs and two outputs, neither in alphabetical order; and files that must be refused."""
    image, code = keras.Input((8, 8, 3), name="zebra"), keras.Input((4,), name="apple", dtype="int32")
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(image))))
    joined = layers.Concatenate()([pooled, layers.Flatten()(layers.Embedding(3, 4)(code))])
    yak, bear = layers.Dense(2, name="yak")(joined), layers.Dense(3, activation="softmax", name="bear")(pooled)
    multi = keras.Model([image, code], [yak, bear])
    multi.save("multi.keras")
    multi.save("multi.h5")
    multi.save_weights("multi.weights.h5")
    random = np.random.default_rng(7)
    x = {"zebra": random.random((1, 8, 8, 3), np.float32), "apple": random.integers(0, 3, (1, 4)).astype(np.int32)}
    answers = multi([x["zebra"], x["apple"]], training=False)
    np.savez("multi.npz", **x, yak=answers[0], bear=answers[1])

    row = keras.Input((4,), name="row")
    keras.Model(row, layers.Lambda(lambda x: x * 2, name="double", output_shape=(4,))(row)).save("lambda.keras")
    keras.Model(row, Mine()(row)).save("custom.keras")
    keras.Model(row, layers.Dense(2)(row)).save("plain.keras")
    picture = keras.Input((None, None, 3), name="picture")
    keras.Model(picture, layers.DepthwiseConv2D(3, strides=2, padding="same", name="thin")(picture)).save("open.keras")
    as_keras_2("open.keras")


def as_keras_2(name):
    """Write the arguments into a `.keras` that Keras 2 wrote there."""
    with zipfile.ZipFile(name) as archive:
        files = {item: archive.read(item) for item in archive.namelist()}
    config = json.loads(files["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "DepthwiseConv2D":
            layer["config"]["groups"] = 1
    files["config.json"] = json.dumps(config)
    with zipfile.ZipFile(name, "w") as archive:
        for item, content in files.items():
            archive.writestr(item, content)


def saved_models():
    odd = Odd()
    tf.saved_model.save(odd, "several", signatures={"one": odd.one, "two": odd.two})
    for name in ("nan", "foreign", "strings", "four"):
        tf.saved_model.save(odd, name, signatures=getattr(odd, name))


def first_generation():
    """A network of TensorFlow 1: its SavedModel, its graph frozen and not, its checkpoint."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), "images")
        tf.compat.v1.placeholder(tf.bool, (), "is_training")
        kernel = tf.compat.v1.get_variable("kernel", (3, 3, 3, 4))
        features = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")), (1, 2))
        logits = tf.identity(features, "head/logits")
        label = tf.argmax(features, 1, name="head/label")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, "first", {"images": images}, {"logits": logits, "label": label})
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["head/logits", "head/label"]
        )
        Path("first.pb").write_bytes(frozen.SerializeToString())
        Path("unfrozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
        tf.compat.v1.train.Saver().save(session, "checkpoint_only/model.ckpt")


def flatbuffers():
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.models.load_model("multi.keras"))
    Path("multi.tflite").write_bytes(converter.convert())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    Path("half.tflite").write_bytes(converter.convert())
    big = keras.Sequential([keras.Input((8, 8, 16)), layers.Conv2D(64, 3)])
    converter = tf.lite.TFLiteConverter.from_keras_model(big)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    Path("int8.tflite").write_bytes(converter.convert())


def flowers(source):
    """The real classifier as a frozen graph, and its answers to four pictures' worth of noise in its own range."""
    model = keras.models.load_model(source, compile=False)
    spec = tf.TensorSpec((None, 128, 128, 3), name="image")
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(function)
    tf.io.write_graph(frozen.graph.as_graph_def(), ".", "flowers.pb", as_text=False)
    x = np.random.default_rng(1).uniform(-1, 1, (4, 1, 128, 128, 3)).astype(np.float32)
    np.savez("flowers.npz", x=x, y=np.stack([model(one, training=False) for one in x]))


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    keras_models()
    saved_models()
    first_generation()
    flatbuffers()
    if len(sys.argv) > 2:
        flowers(sys.argv[2])
