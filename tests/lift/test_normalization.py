import numpy as np
import tensorflow as tf

from relens.lift.layers import Normalization


def test_normalization_by_batch_has_the_gradient_of_its_definition() -> None:
    """Against automatic differentiation of the definition."""
    random = np.random.default_rng(0)
    x, above = random.normal(1, 2, (2, 4, 5, 6, 3)).astype(np.float32)
    layer = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
    layer.gamma.assign([1.0, 2.0, 3.0])
    layer.beta.assign([0.1, 0.2, 0.3])

    def defined(values: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(values, [0, 1, 2])
        normal = (values - mean) / tf.sqrt(variance + layer.epsilon)
        return normal * layer.gamma.value + layer.beta.value

    answers, gradients = [], []
    for function in (defined, lambda values: layer(values, training=True)):
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            answer = function(given)
            loss = tf.reduce_sum(above * answer)
        answers.append(answer.numpy())
        gradients.append([each.numpy() for each in tape.gradient(loss, [given, layer.gamma.value, layer.beta.value])])

    assert np.abs(answers[0] - answers[1]).max() < 1e-5
    for expected, found in zip(*gradients, strict=True):
        assert np.abs(expected - found).max() < 1e-4 * np.abs(expected).max()
