"""The second child: runs the graph in LiteRT, where a damaged one can only take itself down.

`python -m relens.sources.runner FOLDER`
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from relens.graph import Graph
from relens.sources.probes import nudged
from relens.sources.request import GRAPH, NUDGED, PROBES, REFERENCES, RESULTS, SOURCE, Arrays, read_arrays, write_arrays

PLAIN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def main(folder: Path) -> None:
    """Run the probes in this folder with XNNPACK, as a camera would.

    Where the source is a `.tflite`, it is run here too, with the plain kernels.
    """
    probes = read_arrays(folder / PROBES)
    if (folder / SOURCE).exists():
        write_arrays(folder / REFERENCES, run(folder / SOURCE, probes, PLAIN))
        write_arrays(folder / NUDGED, run(folder / SOURCE, [nudged(probe) for probe in probes], PLAIN))
    write_arrays(folder / RESULTS, run(folder / GRAPH, probes, OpResolverType.AUTO))


def run(path: Path, probes: Sequence[Arrays], kernels: OpResolverType) -> list[Arrays]:
    """The outputs of a graph's file, by name, for every probe."""
    graph = Graph.read(path)
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    results: list[Arrays] = []
    for probe in probes:
        for tensor in graph.inputs:
            interpreter.set_tensor(tensor.index, probe[tensor.name])
        interpreter.invoke()
        results.append({tensor.name: interpreter.get_tensor(tensor.index) for tensor in graph.outputs})
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1]))
