"""Acceptance: the bundle's golden frames, on this processor and engine, before anything else runs."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.bundle.bundle import Bundle, GoldenFrame, sampled
from relens.device.checks import Check, agrees, goal_check, output_check, relative_rms
from relens.device.model import load_model
from relens.errors import DeviceTrouble
from relens.measure.latency import Latency, summarize
from relens.measure.process import process_memory
from relens.vision import Outputs, Prepared, VisionModel

WARM_UP, MOST_RUNS, LEAST_RUNS, MOST_SECONDS = 3, 50, 10, 5.0


@dataclass(frozen=True, repr=False)
class Acceptance:
    """Whether this machine may run a bundle, and why (not)."""

    bundle: str
    engine: str
    checks: tuple[Check, ...]
    latency: Latency
    peak_memory_mb: float

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def raise_if_refused(self) -> None:
        """Do nothing when accepted.

        Raises:
            DeviceTrouble: RL-DEVICE-003 that names the first failed check, what it expected and what it found.
        """
        for check in self.checks:
            if not check.passed:
                raise DeviceTrouble(
                    "RL-DEVICE-003",
                    f"{self.bundle} on {self.engine}: {check.name}: expected {check.expected}, found {check.found}",
                    hint="build it for this machine's profile and engine, or loosen the goal in relens.toml",
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "accepted": self.accepted,
            "engine": self.engine,
            "checks": [vars(check) for check in self.checks],
            "latency": self.latency.to_json(),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
        }

    def __repr__(self) -> str:
        verdict = "accepted" if self.accepted else "REFUSED"
        return "\n".join([f"{self.bundle} {verdict} on {self.engine}", *(f"  {check}" for check in self.checks)])


def accept(bundle: Bundle, *, engine: str | None = None, threads: int | None = None) -> Acceptance:
    """Run the golden frames here and compare outputs, predictions, latency and memory with what was promised.

    The memory is the peak of this whole process, so judge a memory goal in a fresh one.

    Args:
        bundle: an opened bundle.
        engine: another engine than the manifest's.
        threads: another number of threads than the manifest's.

    Raises:
        EngineTrouble: the engine is missing (RL-ENGINE-001) or refuses the model (-002).
    """
    return examine(bundle, load_model(bundle, engine, threads))


def examine(bundle: Bundle, model: VisionModel) -> Acceptance:
    """`accept`, with the bundle's model already loaded."""
    prepared = [model.prepare(golden.frame) for golden in bundle.golden]
    outputs = [model.infer(item) for item in prepared]
    # Without golden frames nothing is proven, but how fast it is can be told all the same.
    latency = measure_latency(model, prepared[0] if prepared else _grey(model))
    peak_mb = process_memory().peak_mb
    goals = bundle.manifest.goals
    checks = (
        *golden_checks(bundle, model, prepared, outputs),
        goal_check("latency", goals.max_latency_ms, latency.median_ms, "ms", str(latency)),
        goal_check("peak memory", goals.max_memory_mb, peak_mb, "MB", f"{peak_mb:.0f} MB"),
    )
    name = f"{bundle.manifest.name} {bundle.sha256[:12]}"
    return Acceptance(name, str(model.engine.report), checks, latency, peak_mb)


def golden_checks(
    bundle: Bundle, model: VisionModel, prepared: list[Prepared], outputs: list[Outputs]
) -> tuple[Check, ...]:
    """What this machine answered to the golden frames, beside what the bundle expects."""
    return (
        _golden_check(bundle),
        *_output_checks(bundle, outputs),
        _prediction_check(bundle, model, prepared, outputs),
    )


def measure_latency(model: VisionModel, prepared: Prepared) -> Latency:
    """Time single inferences: up to 50 of them within 5 s, at least 10, after 3 untimed ones."""
    for _ in range(WARM_UP):
        model.infer(prepared)
    times_ms: list[float] = []
    start = perf_counter()
    while len(times_ms) < LEAST_RUNS or (len(times_ms) < MOST_RUNS and perf_counter() - start < MOST_SECONDS):
        began = perf_counter()
        model.infer(prepared)
        times_ms.append((perf_counter() - began) * 1e3)
    return summarize(times_ms, WARM_UP)


def _grey(model: VisionModel) -> Prepared:
    return model.prepare(np.full((*model.preprocessor.size, 3), 127, np.uint8))


def _golden_check(bundle: Bundle) -> Check:
    count = len(bundle.golden)
    return Check("golden frames", count > 0, "at least 1", str(count))


def _output_checks(bundle: Bundle, outputs: list[Outputs]) -> list[Check]:
    errors: dict[str, list[tuple[str, float]]] = {}
    for golden, given in zip(bundle.golden, outputs, strict=True):
        kept = sampled(given)
        for name in sorted({*golden.expected, *kept}):
            known = name in golden.expected and name in kept
            error = relative_rms(kept[name], golden.expected[name]) if known else float("inf")
            errors.setdefault(name, []).append((golden.name, error))
    return [output_check(name, found, bundle.manifest.tolerance.relative_rms) for name, found in errors.items()]


def _prediction_check(bundle: Bundle, model: VisionModel, prepared: list[Prepared], outputs: list[Outputs]) -> Check:
    """Golden frames keep samples of large outputs, and samples cannot be decoded: those are not compared."""
    wrong: list[str] = []
    compared = 0
    for golden, ready, given in zip(bundle.golden, prepared, outputs, strict=True):
        whole = _whole(golden, given)
        if whole is not None:
            compared += 1
            found, expected = (model.decode(values, ready.placement) for values in (given, whole))
            wrong += [] if agrees(found, expected) else [golden.name]
    if not compared:
        return Check("prediction", True, "the same", "not compared: the golden outputs are samples")
    result = (
        f"{len(wrong)} of {compared} differ ({', '.join(wrong[:3])})" if wrong else f"{compared} of {compared} alike"
    )
    return Check("prediction", not wrong, "the same", result)


def _whole(golden: GoldenFrame, given: Outputs) -> Outputs | None:
    """The expected outputs in their own shapes, where the golden frame keeps all of their values."""
    whole: dict[str, NDArray[np.float32]] = {}
    for name, values in given.items():
        if name not in golden.expected or golden.expected[name].size != values.size:
            return None
        whole[name] = golden.expected[name].reshape(values.shape)
    return whole
