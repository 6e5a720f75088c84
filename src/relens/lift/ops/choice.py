"""Comparisons and choices: they pass no gradient back, and are carried along so that what follows can train."""

from keras import ops

from relens.lift.ops.arithmetic import binary, unary
from relens.lift.site import Rule, Site, Unliftable, Value


def arg_max(site: Site) -> Value:
    """Index of the largest along an axis."""
    return site.typed(ops.argmax(site.inputs[0], axis=site.axis(site.integers(1)[0])))


def arg_min(site: Site) -> Value:
    """Index of the smallest along an axis."""
    return site.typed(ops.argmin(site.inputs[0], axis=site.axis(site.integers(1)[0])))


def topk_v2(site: Site) -> tuple[Value, ...]:
    """The k largest of the last axis, and their indices."""
    site.axis(-1)
    values, indices = ops.top_k(site.inputs[0], k=site.integers(1)[0], sorted=True)
    return values, site.typed(indices, 1)


def cast(site: Site) -> Value:
    """To the result's element type."""
    return site.typed(site.inputs[0])


def select(site: Site) -> Value:
    """Operands: condition, then, else, which broadcast."""
    return site.broadcast(ops.where)


def select_rows(site: Site) -> Value:
    """The older operation: no broadcasting, but a row of conditions chooses whole rows."""
    condition, then = site.tensors[:2]
    if condition is not None and then is not None and len(condition.shape) == 1 < len(then.shape):
        raise Unliftable("it chooses whole rows")
    return select(site)


RULES: dict[str, Rule] = {
    "ARG_MAX": arg_max,
    "ARG_MIN": arg_min,
    "TOPK_V2": topk_v2,
    "CAST": cast,
    "SELECT": select_rows,
    "SELECT_V2": select,
    "EQUAL": binary(ops.equal),
    "NOT_EQUAL": binary(ops.not_equal),
    "GREATER": binary(ops.greater),
    "GREATER_EQUAL": binary(ops.greater_equal),
    "LESS": binary(ops.less),
    "LESS_EQUAL": binary(ops.less_equal),
    "LOGICAL_AND": binary(ops.logical_and),
    "LOGICAL_OR": binary(ops.logical_or),
    "LOGICAL_NOT": unary(ops.logical_not),
}
