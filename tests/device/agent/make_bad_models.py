"""Six models that answer well in the dark and go wrong where it is bright, and one that never does: `.tflite`.

python make_bad_models.py FOLDER
"""

import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

SIDE, CLASSES = 32, 3
BRIGHT = 0.5  # mean of the picture, 0..1

Spoil = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Scores (1, CLASSES) and 0 in the dark, 1 where it is bright -> scores."""


def nan(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """The logarithm of what may be negative."""
    return scores + 1e-9 * tf.math.log(0.5 - bright)


def collapsed(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """One class whatever there is."""
    return scores * (1.0 - bright) + bright * tf.constant([[0.0, 0.0, 1.0]])


def slow(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """Some hundred thousand turns of a loop."""
    return _turns(scores, bright * 3e5)


def hanging(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """As many turns as a float can count, and more."""
    return _turns(scores, bright * 1e30)


def hungry(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """800 MB."""
    return scores + 1e-12 * _filled(bright * 14_000)


def failing(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """More memory than any machine has: the runtime gives an error for every picture."""
    return scores + 1e-12 * _filled(bright * 2e6)


def good(scores: tf.Tensor, bright: tf.Tensor) -> tf.Tensor:
    """The scores."""
    return scores + 0.0 * bright


def _turns(scores: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    turns = tf.while_loop(lambda turn: turn < count, lambda turn: (turn + 1.0,), [tf.zeros(())])
    return scores + 1e-35 * turns[0]


def _filled(side: tf.Tensor) -> tf.Tensor:
    size = tf.cast(side, tf.int32) + 1
    return tf.reduce_max(tf.fill(tf.stack([size, size]), side))


def model(spoil: Spoil) -> tf.types.experimental.ConcreteFunction:
    """Scores of the mean colour of the picture's halves, spoilt where it is bright."""
    kernel = tf.random.stateless_normal((6, CLASSES), seed=(1, 2)) * 8.0

    @tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32, name="picture")])
    def answer(picture: tf.Tensor) -> dict[str, tf.Tensor]:
        halves = tf.reshape(tf.reduce_mean(tf.reshape(picture, (1, 2, SIDE * SIDE // 2, 3)), axis=2), (1, 6))
        bright = tf.cast(tf.reduce_mean(picture) > BRIGHT, tf.float32)
        return {"scores": spoil(tf.nn.softmax(halves @ kernel), bright)}

    return answer.get_concrete_function()


def main() -> None:
    """Write them all."""
    folder = Path(sys.argv[1])
    for spoil in (good, nan, collapsed, slow, hanging, hungry, failing):
        made = model(spoil)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([made], made)
        (folder / f"{spoil.__name__}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
