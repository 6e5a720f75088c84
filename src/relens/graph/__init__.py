"""The flatbuffer: read, write, inspect. Needs neither TensorFlow nor Keras."""

from relens.graph.cost import Cost, OpCost, cost
from relens.graph.graph import Graph
from relens.graph.metadata import with_metadata
from relens.graph.normal import normalised
from relens.graph.rules import Finding, findings, float_tensors
from relens.graph.signature import with_signature
from relens.graph.tensor import Op, Tensor

__all__ = [
    "Cost",
    "Finding",
    "Graph",
    "Op",
    "OpCost",
    "Tensor",
    "cost",
    "findings",
    "float_tensors",
    "normalised",
    "with_metadata",
    "with_signature",
]
