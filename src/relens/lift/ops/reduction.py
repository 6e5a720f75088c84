"""Reductions over axes other than the batch's."""

from collections.abc import Callable

from keras import ops

from relens.lift.site import Rule, Site, Value


def reduction(function: Callable[..., Value]) -> Rule:
    """An operation over the axes of its second operand."""

    def rule(site: Site) -> Value:
        axes = tuple(site.axis(number) for number in site.integers(1))
        return function(site.inputs[0], axis=axes, keepdims=bool(site.options.keepDims))

    return rule


RULES: dict[str, Rule] = {
    "MEAN": reduction(ops.mean),
    "SUM": reduction(ops.sum),
    "REDUCE_MAX": reduction(ops.max),
    "REDUCE_MIN": reduction(ops.min),
    "REDUCE_PROD": reduction(ops.prod),
    "REDUCE_ANY": reduction(ops.any),
    "REDUCE_ALL": reduction(ops.all),
}
