"""Measure candidates: accuracy on every engine they may run on, latency side by side, memory in a fresh process.

Integers on OpenVINO say something else on each kind of processor: without VNNI they saturate. So they are scored on the
device's kernels, in a limited process, wherever this machine can run those.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relens.engines import available, load_engine
from relens.engines.kernels import NATIVE, choice
from relens.engines.limited import LimitedEngine
from relens.errors import BadData, EngineTrouble
from relens.measure.agreement import agreement_with
from relens.measure.emulated import KernelLatency, Run, latency_on
from relens.measure.estimate import estimate
from relens.measure.latency import Latency, interleaved
from relens.measure.memory import peak_memory
from relens.measure.score import Score
from relens.measure.statistics import Interval
from relens.measure.validation import Validation
from relens.pipeline.option import REFERENCE_ENGINE, Option
from relens.pipeline.progress import Progress
from relens.quantize import Candidate
from relens.spec import Device, InputSpec, OutputSpec, this_machine
from relens.vision import Prediction, VisionModel

EVALUATION_SCORE_THRESHOLD = 0.02
"""Average precision needs the uncertain boxes too; below this they only cost time."""
USELESS = 0.01


@dataclass(frozen=True)
class Bench:
    """What a trial needs to know besides the candidates."""

    input: InputSpec
    output: OutputSpec
    validation: Validation
    device: Device
    engines: tuple[str, ...]
    threads: int
    folder: Path
    seconds: float


def measure(candidates: Sequence[Candidate], bench: Bench, progress: Progress) -> list[Option]:
    """Measure every candidate on every engine.

    Args:
        candidates: the float one first: it is the reference for the accuracy drop.
        bench: contract, pictures, device and folder for the files.
        progress: told about each stage.
    """
    options = [_load(candidate, engine, bench) for candidate in candidates for engine in bench.engines]
    options = _with_accuracy(options, candidates[0], bench, progress)
    options = [_with_estimate(option, bench) for option in _with_latency(options, bench, progress)]
    return _with_memory(options, bench, progress)


def allowed_engines(device: Device, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The engines to try: installed here, known to the device, and wanted.

    Raises:
        EngineTrouble: RL-ENGINE-001 when none is left, or a wanted one is not installed.
    """
    missing = [name for name in wanted or () if name not in available()]
    if missing:
        load_engine(Path(), missing[0])  # raises with the install command
    left = tuple(name for name in available() if name in (wanted or device.engines))
    if not left:
        raise EngineTrouble(
            "RL-ENGINE-001",
            f"none of the engines of {device.title} ({', '.join(device.engines)}) is installed here",
            hint='pip install "relens[build,openvino]"',
        )
    return left


def candidate_file(candidate: Candidate, folder: Path) -> Path:
    """The candidate as a file; written on first use."""
    file = folder / f"{candidate.graph.sha256[:16]}.tflite"
    if not file.exists():
        candidate.graph.write(file)
    return file


@contextlib.contextmanager
def vision_model(option: Option, bench: Bench, **override: float) -> Iterator[VisionModel]:
    """Load an option the way the camera will, on the kernels its accuracy is measured on.

    Raises:
        EngineTrouble: as `load_engine` or `LimitedEngine`.
    """
    file = candidate_file(option.candidate, bench.folder)
    if option.kernels == NATIVE:
        engine = load_engine(file, option.engine, bench.threads)
        yield VisionModel(engine, bench.input, bench.output, **override)
        return
    with LimitedEngine(file, option.engine, option.kernels, bench.threads) as limited:
        yield VisionModel(limited, bench.input, bench.output, **override)


def _load(candidate: Candidate, engine: str, bench: Bench) -> Option:
    """With its engine's report, and refused without: on the kernels of the device where they decide its answers."""
    option, here = Option(candidate, engine), this_machine()
    if (candidate.scheme, engine) == ("int8", "openvino"):
        picked, why = choice(bench.device, here), "this machine cannot show by how much"
        if picked.must_emulate and picked.can_emulate:
            try:
                return _loaded(replace(option, kernels=picked.kernels), bench)
            except EngineTrouble as trouble:
                why = f"{why}: {trouble.message}"
        if bench.device.int8_saturates and not here.int8_saturates:
            why = f"its int8 arithmetic saturates there (no VNNI), and {why}"
            return replace(option, refused=f"not measured for {bench.device.name}: {why}")
    try:
        return _loaded(option, bench)
    except EngineTrouble as trouble:
        return replace(option, refused=trouble.message)


def _loaded(option: Option, bench: Bench) -> Option:
    with vision_model(option, bench) as model:
        return replace(option, report=model.engine.report)


def _with_accuracy(options: list[Option], reference: Candidate, bench: Bench, progress: Progress) -> list[Option]:
    progress.stage("accuracy")
    first = Option(reference, REFERENCE_ENGINE)
    total = len(options) + 1
    metric = bench.validation.metric
    if metric is None:
        # What the float model would show on the camera is the truth that candidates are held against.
        metric = agreement_with(_predict(first, bench, progress, 0, total))
    baseline = metric.score(_predict(first, bench, progress, 0, total, score_threshold=EVALUATION_SCORE_THRESHOLD))
    _check_baseline(baseline)
    measured = []
    for done, option in enumerate(options, 1):
        if option.refused is not None:
            measured.append(option)
            continue
        if option.is_reference:
            measured.append(replace(option, score=baseline, drop=Interval(0.0, 0.0, 0.0)))
            continue
        try:
            said = _predict(option, bench, progress, done, total, score_threshold=EVALUATION_SCORE_THRESHOLD)
        except EngineTrouble as trouble:  # the process limited to other kernels died, or hangs
            measured.append(replace(option, refused=trouble.message))
            continue
        score = metric.score(said)
        measured.append(replace(option, score=score, drop=score.drop_from(baseline)))
    return measured


def _check_baseline(baseline: Score) -> None:
    """A float model that is right nowhere makes every drop from it meaningless.

    Raises:
        BadData: RL-DATA-004.
    """
    if baseline.interval.value < USELESS:
        raise BadData(
            "RL-DATA-004",
            f"the float model itself reaches {baseline.metric} {baseline.interval} on {baseline.n} pictures",
            hint="check `[input]` (colour, scaling, resize), `[output]`, and the order of the labels",
        )


def _predict(
    option: Option, bench: Bench, progress: Progress, done: int, total: int, **override: float
) -> list[Prediction]:
    predictions = []
    with vision_model(option, bench, **override) as model:
        for number, frame in enumerate(bench.validation.frames, 1):
            predictions.append(model.predict(frame))
            progress.advance((done + number / len(bench.validation.frames)) / total, option.engine)
    return predictions


def _with_latency(options: list[Option], bench: Bench, progress: Progress) -> list[Option]:
    """On the kernels the device would choose, where this machine can emulate them; else on its own."""
    progress.stage("latency")
    picked = choice(bench.device)
    times: Mapping[str, Latency] = {}
    if picked.must_emulate and picked.can_emulate:
        # A runtime whose kernels cannot be limited is timed on this machine's own, like any other.
        with contextlib.suppress(EngineTrouble):
            times = _emulated_times(options, bench, picked.kernels)
    if not times:
        times = _own_times(options, bench, progress)
    return [_timed(option, times, picked.kernels) for option in options]


def _timed(option: Option, times: Mapping[str, Latency], kernels: str) -> Option:
    """With its latency; refused if the engine could not load it on the kernels of the device."""
    if option.refused is None and option.name not in times:
        return replace(option, refused=f"{option.engine} cannot run it on {kernels} kernels")
    return replace(option, latency=times.get(option.name))


def _with_estimate(option: Option, bench: Bench) -> Option:
    """With what its latency may be on the device, where its profile has something to estimate by."""
    if option.refused is not None:
        return option
    return replace(option, estimate=estimate(option.candidate.graph, bench.device, option.engine, bench.threads))


def _own_times(options: list[Option], bench: Bench, progress: Progress) -> dict[str, Latency]:
    runs = {}
    with contextlib.ExitStack() as loaded:
        for option in options:
            if option.refused is None:
                model = loaded.enter_context(vision_model(replace(option, kernels=NATIVE), bench))
                prepared = model.prepare(bench.validation.frames[0])
                runs[option.name] = lambda model=model, prepared=prepared: model.infer(prepared)
        return interleaved(runs, seconds=bench.seconds, progress=progress.advance)


def _emulated_times(options: list[Option], bench: Bench, kernels: str) -> dict[str, KernelLatency]:
    runs = {
        option.name: Run(candidate_file(option.candidate, bench.folder), option.engine)
        for option in options
        if option.refused is None
    }
    return latency_on(kernels, runs, threads=bench.threads, seconds=bench.seconds, partial=True)


def _with_memory(options: list[Option], bench: Bench, progress: Progress) -> list[Option]:
    progress.stage("memory")
    measured = []
    for done, option in enumerate(options, 1):
        progress.advance(done / len(options), option.name)
        if option.refused is not None:
            measured.append(option)
            continue
        file = candidate_file(option.candidate, bench.folder)
        measured.append(replace(option, memory=peak_memory(file, option.engine, bench.threads)))
    return measured
