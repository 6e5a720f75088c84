"""Any loaded model -> a float TFLite flatbuffer. Runs in the child."""

import re
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from relens.errors import BadModel
from relens.sources.failure import LINE_CHARS
from relens.sources.request import Names
from relens.sources.servable import Servable


def to_flatbuffer(model: Servable, folder: Path) -> bytes:
    """The model as a flatbuffer with inputs `input_000`, ... and outputs `output_000`, ...

    The graph is frozen first: a converter that meets variables can lose them without a word, and the
    detour makes it three times as fast. Neutral names, because TensorFlow alters some names and sorts
    the others; `Names` keeps the true ones.

    Args:
        model: the source.
        folder: where a SavedModel may be written in passing.

    Raises:
        BadModel: RL-SOURCE-011, TFLite cannot express a part of the model.
    """
    specs = [tf.TensorSpec(port.shape, port.dtype, name=f"input_{index:03}") for index, port in enumerate(model.inputs)]
    frozen = _frozen(_traced(model, specs))
    module = tf.Module()
    module.serve = tf.function(
        lambda *tensors: {f"output_{index:03}": tensor for index, tensor in enumerate(frozen(*tensors))},
        input_signature=specs,
    )
    saved = folder / "frozen"
    # Custom gradients (of swish, for one) are no use here and stop the saving.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(saved), signatures={"serving_default": module.serve}, options=options)
    try:
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert()
    except ConverterError as error:
        raise _unconvertible(str(error)) from error
    return content


def names(model: Servable) -> Names:
    """The true names, in the order `to_flatbuffer` numbers them."""
    return Names(tuple(port.name for port in model.inputs), model.outputs)


def _traced(model: Servable, specs: list[Any]) -> Any:
    """The model as one concrete function from a list of tensors to a list of tensors."""

    def call(*tensors: Any) -> list[Any]:
        fed = {port.name: tensor for port, tensor in zip(model.inputs, tensors, strict=True)}
        results = model.call(fed)
        # An output may be an input, or another output, handed through: identity makes it a tensor of its own.
        return [tf.identity(results[name]) for name in model.outputs]

    return tf.function(call).get_concrete_function(*specs)


def _frozen(function: Any) -> Any:
    """The function with its variables as constants, control flow kept whole."""
    # Inlining on the way, TensorFlow trips over functions that hold no variables.
    if not function.captured_inputs:
        return function
    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def _unconvertible(message: str) -> BadModel:
    needed = re.findall(r"^\s*(?:TF Select|Flex|Custom) ops: (.+)$", message, re.MULTILINE)
    ops = sorted({op.strip() for line in needed for op in line.split(",")})
    # MLIR says where in a long chain of places, and then what.
    found = re.search(r"error: (?:loc\(.*\): )?(.+)", message)
    if re.search(r"xb?f16>", message):
        what = "the model computes in half precision, which TFLite does not on a CPU"
        hint = 'export it in float32: keras.mixed_precision.set_global_policy("float32"); or give the .keras file'
    elif ops:
        what = f"TFLite has no equivalent for the operations {', '.join(ops)}"
        hint = "cut that part off with outputs=[...] and let relens decode, or replace it by plain layers"
    else:
        what = f"TFLite cannot express a part of the model: {found[1] if found else message}"[:LINE_CHARS]
        hint = "give the .keras file, or export it with a batch of 1: keras.Input(batch_shape=(1, ...))"
    return BadModel("RL-SOURCE-011", what, hint=hint)
