"""Fewer layers: removable blocks, scored by what their loss costs."""

from relens.compress.layers.blocks import Block, blocks
from relens.compress.layers.removal import PICTURES, LayerCut, Removed, remove_layers

__all__ = ["PICTURES", "Block", "LayerCut", "Removed", "blocks", "remove_layers"]
