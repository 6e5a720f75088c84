"""Element by element: sums, products, functions, activations, and products of two computed matrices."""

from collections.abc import Callable

from keras import ops

from relens.lift.site import Rule, Site, Value


def binary(function: Callable[[Value, Value], Value]) -> Rule:
    """An operation of two operands that broadcast, with a fused activation."""

    return lambda site: site.activated(site.broadcast(function))


def unary(function: Callable[[Value], Value]) -> Rule:
    """An operation of one operand."""
    return lambda site: function(site.inputs[0])


def leaky_relu(site: Site) -> Value:
    """`alpha * x` below zero."""
    return ops.leaky_relu(site.inputs[0], negative_slope=site.options.alpha)


def gelu(site: Site) -> Value:
    """Exact, or by tanh."""
    return ops.gelu(site.inputs[0], approximate=bool(site.options.approximate))


def softmax(site: Site) -> Value:
    """Over the last axis, of `beta * x`."""
    x, beta = site.inputs[0], site.options.beta
    return ops.softmax(x if beta == 1.0 else x * beta, axis=site.axis(-1))


def log_softmax(site: Site) -> Value:
    """Over the last axis."""
    return ops.log_softmax(site.inputs[0], axis=site.axis(-1))


def l2_normalization(site: Site) -> Value:
    """Over the last axis; a length below 1e-6 counts as that."""
    x = site.inputs[0]
    squares = ops.sum(ops.square(x), axis=site.axis(-1), keepdims=True)
    return site.activated(x / ops.sqrt(ops.maximum(squares, 1e-12)))


def local_response_normalization(site: Site) -> Value:
    """`x / (bias + alpha * sum of squares of the 2 * radius + 1 channels around) ** beta`."""
    x, options = site.inputs[0], site.options
    radius, channels = options.radius, x.shape[-1]
    squares = ops.pad(ops.square(x), [[0, 0]] * (len(x.shape) - 1) + [[radius, radius]])
    around = sum(squares[..., start : start + channels] for start in range(2 * radius + 1))
    return x / ops.power(options.bias + options.alpha * around, options.beta)


def batch_matmul(site: Site) -> Value:
    """`x @ y` over the last two axes, either transposed on demand."""

    def product(left: Value, right: Value) -> Value:
        return ops.matmul(
            ops.swapaxes(left, -1, -2) if site.options.adjX else left,
            ops.swapaxes(right, -1, -2) if site.options.adjY else right,
        )

    return site.broadcast(product, inner=2)


def hard_swish(x: Value) -> Value:
    """`x * relu6(x + 3) / 6`."""
    return x * ops.relu6(x + 3.0) * (1.0 / 6.0)


RULES: dict[str, Rule] = {
    "ADD": binary(ops.add),
    "SUB": binary(ops.subtract),
    "MUL": binary(ops.multiply),
    "DIV": binary(ops.divide),
    "MAXIMUM": binary(ops.maximum),
    "MINIMUM": binary(ops.minimum),
    "POW": binary(ops.power),
    "SQUARED_DIFFERENCE": binary(lambda x, y: ops.square(ops.subtract(x, y))),
    "FLOOR_DIV": binary(ops.floor_divide),
    "FLOOR_MOD": binary(ops.mod),
    "ABS": unary(ops.abs),
    "CEIL": unary(ops.ceil),
    "COS": unary(ops.cos),
    "EXP": unary(ops.exp),
    "FLOOR": unary(ops.floor),
    "LOG": unary(ops.log),
    "NEG": unary(ops.negative),
    "ROUND": unary(ops.round),
    "RSQRT": unary(ops.rsqrt),
    "SIGN": unary(ops.sign),
    "SIN": unary(ops.sin),
    "SQRT": unary(ops.sqrt),
    "SQUARE": unary(ops.square),
    "RELU": unary(ops.relu),
    "RELU6": unary(ops.relu6),
    "RELU_N1_TO_1": unary(lambda x: ops.clip(x, -1.0, 1.0)),
    "RELU_0_TO_1": unary(lambda x: ops.clip(x, 0.0, 1.0)),
    "ELU": unary(ops.elu),
    "GELU": gelu,
    "HARD_SWISH": unary(hard_swish),
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": unary(ops.sigmoid),
    "TANH": unary(ops.tanh),
    "SOFTMAX": softmax,
    "LOG_SOFTMAX": log_softmax,
    "L2_NORMALIZATION": l2_normalization,
    "LOCAL_RESPONSE_NORMALIZATION": local_response_normalization,
    "BATCH_MATMUL": batch_matmul,
}
