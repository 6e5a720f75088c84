"""One form for every file: readable by other engines and older runtimes, the same bytes every time."""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from relens.graph.flatbuffer import edited
from relens.graph.graph import Graph

# CONVERSION_METADATA hashes the source as the converter saw it: two routes to one graph differ by it.
# TFLITE_METADATA speaks of appended files, and rewriting drops what is appended.
DROPPED_METADATA = (b"CONVERSION_METADATA", b"TFLITE_METADATA")
LAST_OLD_CODE = 127  # a signed byte; newer operations do not fit the older field


def normalised(graph: Graph) -> Graph:
    """The same graph in one canonical form; doing it twice changes nothing more.

    The quantizer stores constants behind the flatbuffer, fills only the newer operator code and leaves
    QUANTIZE and DEQUANTIZE without options: LiteRT reads that, OpenVINO and older readers do not.
    """
    return edited(graph, _normalise)


def _normalise(model: Any) -> None:
    for code in model.operatorCodes or []:
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
        code.deprecatedBuiltinCode = min(code.builtinCode, LAST_OLD_CODE)
    for subgraph in model.subgraphs:
        for op in subgraph.operators or []:
            if op.builtinOptions is None:
                _give_empty_options(op, model.operatorCodes[op.opcodeIndex].builtinCode)
    model.metadata = [entry for entry in model.metadata or [] if entry.name not in DROPPED_METADATA]


def _give_empty_options(op: Any, code: int) -> None:
    if code == schema.BuiltinOperator.QUANTIZE:
        op.builtinOptionsType, op.builtinOptions = (
            schema.BuiltinOptions.QuantizeOptions,
            schema.QuantizeOptionsT(),
        )
    elif code == schema.BuiltinOperator.DEQUANTIZE:
        op.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        op.builtinOptions = schema.DequantizeOptionsT()
