"""A student derived from its teacher: shallower, thinner, or both, starting from the teacher's own weights."""

from relens.compress.channels import cut_channels
from relens.compress.layers import PICTURES, remove_layers
from relens.graph import Graph
from relens.spec import InputSpec
from relens.vision import Frames


def derived(graph: Graph, frames: Frames, spec: InputSpec, *, width: float = 1.0, depth: float = 1.0) -> Graph:
    """A smaller model of the same kind, before it learns.

    Args:
        graph: float, with one picture input.
        frames, spec: pictures without labels, and how they become the input.
        width: share of the channels that every group keeps, 0..1.
        depth: share of the multiply-accumulates that stays when whole blocks go, 0..1; those go first.

    Raises:
        BadModel: RL-COMPRESS-001 when nothing can go, or what is left is not faster.
    """
    smaller = graph
    if depth < 1:
        smaller = remove_layers(smaller, frames.spread(PICTURES), spec, macs_share=depth).graph
    if width < 1:
        smaller = cut_channels(smaller, frames, spec, ratio=1 - width, teacher=graph).graph
    return smaller
