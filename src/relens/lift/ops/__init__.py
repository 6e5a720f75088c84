"""How each operation of a graph is said in Keras: one entry an operation. To add one, write its rule beside its kin."""

from relens.lift.ops import arithmetic, arrangement, choice, picking, pooling, reduction, resizing, weighted
from relens.lift.site import Rule

RULES: dict[str, Rule] = {
    **weighted.RULES,
    **arithmetic.RULES,
    **pooling.RULES,
    **reduction.RULES,
    **resizing.RULES,
    **arrangement.RULES,
    **picking.RULES,
    **choice.RULES,
}
