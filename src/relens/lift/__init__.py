"""A float graph as a trainable Keras model, op for op, and back; the table of operations stands in `ops`."""

from relens.lift.lifted import Kept, Lifted, lift, listed, lower
from relens.lift.site import Additions, Block, Unliftable

__all__ = ["Additions", "Block", "Kept", "Lifted", "Unliftable", "lift", "listed", "lower"]
