"""One elementwise product more, in front of an operation."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from relens.compress.repair.inner import Array
from relens.graph import Graph
from relens.graph.edit import inner_names
from relens.graph.flatbuffer import append_buffer, edited


def with_products(graph: Graph, factors: Mapping[int, Array]) -> tuple[Graph, tuple[str, ...]]:
    """The graph in which some operations read their first input times `factors[operation]` (C,), and the new names."""
    if not factors:
        return graph, ()
    taken = set(inner_names(graph))
    names = []

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        code = _code(model)
        for index in sorted(factors, reverse=True):  # from behind, so that places in front stay what they are
            op = main.operators[index]
            read = main.tensors[op.inputs[0]]
            names.append(_free(f"{_text(read.name)}/gate", taken))
            product = copy.copy(read)
            product.name, product.buffer, product.quantization = names[-1], 0, None
            rank = len(graph.tensors[op.inputs[0]].shape)
            main.tensors += [_constant(model, f"{names[-1]}/factors", factors[index], rank), product]
            place = len(main.tensors) - 1
            main.operators.insert(index, _product(code, [op.inputs[0], place - 1], place))
            op.inputs = [place, *list(op.inputs)[1:]]

    return edited(graph, change), tuple(reversed(names))


def _code(model: Any) -> int:
    for place, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.MUL:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MUL
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _product(code: int, inputs: list[int], output: int) -> Any:
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = code, inputs, [output]
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.MulOptions, schema.MulOptionsT()
    return op


def _constant(model: Any, name: str, value: Array, rank: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.hasRank = name, schema.TensorType.FLOAT32, True
    tensor.shape = [1] * (rank - 1) + [value.size]
    tensor.buffer = append_buffer(model, value.astype(np.float32).tobytes())
    return tensor


def _free(name: str, taken: set[str]) -> str:
    unique, number = name, 0
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
