"""Post-training quantization of a float graph by litert-quantizer. No TensorFlow involved."""

import contextlib
import io as text
import logging
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.engines.silence import silent_library
from relens.errors import BadData, BadModel
from relens.graph import Graph, normalised, with_signature
from relens.quantize.candidate import Candidate
from relens.quantize.choices import DEFAULT_BITS, Choices
from relens.quantize.scheme import InputOutput, check_request
from relens.quantize.weights import with_sound_weights
from relens.spec import Scheme

SIGNATURE = "serving_default"
LONGEST_SCOPE = 10_000  # the quantizer cuts an operation's name there before it compares

Samples = Sequence[Mapping[str, NDArray[np.generic]]]
"""Representative inputs, by name, each in its tensor's shape, float32."""


def quantize(
    graph: Graph,
    scheme: Scheme,
    *,
    samples: Samples = (),
    io: InputOutput | None = None,
    calibration_sha256: str | None = None,
    progress: Callable[[float], None] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    keep_float: Collection[str] = (),
    weight_bits: Mapping[str, int] | int = DEFAULT_BITS,
) -> Candidate:
    """Make one candidate of a float graph.

    `ranges`, `keep_float` and `weight_bits` only go with `int8`. A scale that the kernels fix is not changed by
    `ranges`: the outputs of LOGISTIC, SOFTMAX and TANH, and of operations that only move data (they take their
    input's). One sample is enough when `ranges` names every other activation.

    Args:
        graph: the canonical float graph.
        scheme: `float32` (as it is), `float16` (half-size weights), `dynamic` (int8 weights, ranges of
            activations found at run time), `int8` (integers throughout, ranges found in `samples`).
        samples: representative inputs; only `int8` uses them.
        io: type of inputs and outputs.
        calibration_sha256: hash of the pictures the samples came from, for the lineage.
        progress: told the fraction of the calibration done, 0..1.
        ranges: lowest and highest value of activations, by the float graph's `tensor_name`, instead of what
            `samples` show. They come out exactly: `scale = (high - low) / 255`, with zero among the levels.
        keep_float: operations that stay float32, by the `tensor_name` of their first output.
        weight_bits: 8; 7 for engines whose int8 saturates (levels -63..63 in int8); 4 for CONV_2D and
            FULLY_CONNECTED (smaller files, slower kernels; the others stay 8). One number for all, or by operation.
            Weights that lie on the grid `k * absmax / n` of their channel (n = 127, 63, 7) come back exactly.

    Raises:
        BadConfig: RL-QUANT-001, -002, -005 for requests that make no sense, -004 for names the graph does not have.
        BadModel: RL-QUANT-003 when the quantizer cannot treat this graph.
    """
    kind = check_request(scheme, io, bool(samples))
    if scheme == "int8":
        _check_samples(graph, samples)
    choices = Choices(ranges or {}, keep_float, weight_bits)
    choices.check(graph, scheme)
    said = (scheme, f"io={kind}", *choices.steps) if scheme == "int8" else (scheme,)
    step = f"quantize({', '.join(said)})"
    if scheme == "float32":
        return Candidate(graph, scheme, (), graph.sha256)
    with _quiet():
        content = _run(graph, scheme, samples, kind, choices, progress)
    made = with_signature(normalised(Graph.from_bytes(content, f"the {scheme} candidate")))
    if scheme == "int8":
        made = with_sound_weights(made, graph, choices)
    calibration = calibration_sha256 if scheme == "int8" else None
    return Candidate(made, scheme, (step,), graph.sha256, calibration)


def _check_samples(graph: Graph, samples: Samples) -> None:
    """Refuse what the calibrator would take without a word: it fills a missing input from memory nobody wrote, and
    ends the process on NaN.

    Raises:
        BadData: RL-DATA-004 that names the input.
    """
    for number, sample in enumerate(samples):
        for tensor in graph.inputs:
            value = sample.get(tensor.name)
            if value is None or value.shape != tensor.shape or not np.isfinite(value).all():
                what = "is missing" if value is None else f"has shape {value.shape}, or NaN or infinity in it"
                raise BadData(
                    "RL-DATA-004",
                    f"calibration sample {number}: input `{tensor.name}` {tensor.shape} {what}",
                    hint="each sample gives every input, in its shape, with finite values",
                )


def _run(
    graph: Graph,
    scheme: Scheme,
    samples: Samples,
    io: InputOutput,
    choices: Choices,
    progress: Callable[[float], None] | None,
) -> bytes:
    from litert_quantizer import algorithm_manager, qtyping, quantizer, recipe

    operation, algorithm = qtyping.TFLOperationName, algorithm_manager.AlgorithmName
    recipes: dict[str, Any] = {"dynamic": recipe.dynamic_wi8_afp32, "int8": recipe.static_wi8_ai8}
    try:
        tool = quantizer.Quantizer(bytearray(graph.content), recipes[scheme]() if scheme in recipes else None)
        if scheme == "float16":
            tool.update_quantization_recipe(
                ".*",
                operation.ALL_SUPPORTED,
                op_config=_half_weights(qtyping),
                algorithm_key=algorithm.FLOAT_CASTING,
            )
        if scheme == "int8" and io == "float32":
            for edge in (operation.INPUT, operation.OUTPUT):
                tool.update_quantization_recipe(".*", edge, algorithm_key=algorithm.NO_QUANTIZE)
        _choose(tool, graph, choices)
        found = _calibrate(tool, samples, progress) if scheme == "int8" else None
        made = tool.quantize(_replaced(found, graph, choices), enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError, NotImplementedError) as trouble:
        reason = (str(trouble).strip().splitlines() or [type(trouble).__name__])[0]
        raise BadModel(
            "RL-QUANT-003",
            f"the quantizer cannot make {scheme} of this graph: {reason}",
            hint="leave this scheme out of `[recipe] schemes`",
        ) from trouble
    return bytes(made.quantized_model)


def _choose(tool: Any, graph: Graph, choices: Choices) -> None:
    """Tell the quantizer which operations differ from the recipe: kept in float, or with 4-bit weights."""
    from litert_quantizer import algorithm_manager, qtyping

    kept = frozenset(choices.keep_float)
    scopes: dict[tuple[str, bool], list[str]] = {}
    for op in graph.ops:
        names = [graph.tensors[index].tensor_name for index in op.outputs]
        if names and names[0] in kept:
            scopes.setdefault((op.name, True), []).append(_scope(names))
        elif choices.bits(graph, op) == 4:
            scopes.setdefault((op.name, False), []).append(_scope(names))
    for (name, stays), those in scopes.items():
        # By operation, not for all: the graph's own inputs and outputs go by the same names.
        operation = _operation(qtyping, name)
        regex = f"^(?:{'|'.join(those)})$"
        if stays and operation is not None:
            tool.update_quantization_recipe(regex, operation, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE)
        elif operation is not None:
            tool.add_static_config(regex, operation, activation_num_bits=8, weight_num_bits=4)


def _operation(qtyping: Any, name: str) -> Any:
    """The quantizer's name of an operation; None for one it never quantizes."""
    names: Mapping[str, Any] = qtyping.TFLOperationName.__members__
    return names.get({"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}.get(name, name))


def _scope(names: Sequence[str]) -> str:
    """A regex for exactly the operation with these outputs: one name may be the beginning of another."""
    return re.escape("".join(f"{name};" for name in names if name)[:LONGEST_SCOPE])


def _replaced(found: Any, graph: Graph, choices: Choices) -> Any:
    """What calibration found, with the ranges that were chosen in its place."""
    for tensor in graph.tensors:
        if tensor.tensor_name in choices.ranges and found is not None:
            edges = choices.ranges[tensor.tensor_name]
            shape = (1,) * len(tensor.shape)
            found[tensor.tensor_name] = {
                **found.get(tensor.tensor_name, {}),
                **{name: np.full(shape, value, np.float64) for name, value in zip(("min", "max"), edges, strict=True)},
            }
    return found


def _calibrate(tool: Any, samples: Samples, progress: Callable[[float], None] | None) -> Any:
    """The range of each tensor: the mean over pictures of its smallest and its largest value.

    Left to itself the quantizer keeps a moving average over about the last twenty pictures, so that the folder that
    is read last decides; the extremes over all pictures let one odd picture decide. Measured, int8 on LiteRT
    (YOLOX-nano mAP, flowers top-1): moving average .294, .890; extremes .189, .890; mean .311, .893.
    """
    from litert_quantizer import calibrator

    mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
    sums: dict[str, dict[str, Any]] = {}
    for done, sample in enumerate(samples, 1):
        # A list, not a generator: the quantizer counts it first, and would then find it empty.
        found = tool.calibrate({SIGNATURE: [dict(sample)]}, num_threads=2, mode=mode)
        for tensor, statistics in found.items():
            kept = sums.setdefault(tensor, dict.fromkeys(statistics, 0.0))
            for name, value in statistics.items():
                kept[name] = kept[name] + np.asarray(value, np.float64) / len(samples)
        if progress is not None:
            progress(done / len(samples))
    return {
        tensor: {name: np.asarray(value, np.float32) for name, value in statistics.items()}
        for tensor, statistics in sums.items()
    }


def _half_weights(qtyping: Any) -> Any:
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=weights,
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer's progress lines off the user's terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(text.StringIO()),
            contextlib.redirect_stderr(text.StringIO()),
            warnings.catch_warnings(),
            silent_library(),
        ):
            # It keeps every tensor to measure its range, and LiteRT warns that this takes memory.
            warnings.simplefilter("ignore", UserWarning)
            # A dead channel's bias, which `with_sound_weights` mends.
            warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
            yield
    finally:
        logging.disable(before)
