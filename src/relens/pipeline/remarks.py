"""What a device's profile says to a graph before anything runs: fits, does not, is estimated, or not known. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from relens.graph import Cost, Graph
from relens.measure.estimate import Estimate
from relens.spec import Device, Goals

TOO_MUCH = 0.5
"""More than this part of what a device has is too much: it does other things, too."""

State = Literal["fits", "misses", "told", "estimate", "unknown"]


@dataclass(frozen=True)
class Remark:
    """One thing a device says. state "told": a fact to know that is neither good nor bad."""

    topic: str
    state: State
    text: str

    def __str__(self) -> str:
        sign = {"misses": " DOES NOT FIT:", "unknown": " not known:"}.get(self.state, "")
        return f"{self.topic}:{sign} {self.text}"

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return {"topic": self.topic, "state": self.state, "text": self.text}


def remarks(
    graph: Graph,
    cost: Cost,
    device: Device,
    likely: Estimate | None,
    versions: Mapping[str, str] | None = None,
    goals: Goals | None = None,
) -> tuple[Remark, ...]:
    """Judge a graph by a device's profile.

    Args:
        graph: what is to run there.
        cost: the same graph's.
        device: the profile.
        likely: the latency estimate for it; None: there is nothing to estimate by.
        versions: engine -> the version that fits its system; None: the profile does not say enough.
        goals: what it is to reach.
    """
    return (
        _latency(likely, device),
        _part("memory", cost.predicted_memory_bytes / 1e6, device.memory_mb),
        _part("disk", graph.size_bytes / 1e6, device.system.disk_mb),
        _engines(device, versions),
        _camera(graph, device),
        *_int8(device),
        *_goals(graph, cost, device, likely, goals),
    )


def _latency(likely: Estimate | None, device: Device) -> Remark:
    if likely is not None:
        made = f"{likely.dominant.replace('_', ' ')} takes {100 * likely.shares[likely.dominant]:.0f} % of it"
        low, high = likely.transfer
        error = f"formula x/÷ {likely.prediction_error:.2f}, what is not known of the device x {low:.2f} to {high:.2f}"
        held = f"one inference, {likely.engine}, {likely.threads} thread{'s' if likely.threads > 1 else ''}"
        return Remark("latency", "estimate", f"{likely}; {held}; {made}; error: {error}")
    if device.is_this_machine:
        return Remark("latency", "told", "can be measured here: relens build, or relens run --fast")
    return Remark(
        "latency", "unknown", "nothing to estimate it by for this device or precision; its acceptance measures it"
    )


def _part(topic: str, needs_mb: float, has_mb: int | None) -> Remark:
    needs = f"about {needs_mb:.0f} MB" if needs_mb >= 10 else f"about {needs_mb:.1f} MB"
    if has_mb is None:
        return Remark(topic, "unknown", f"{needs} needed, and the profile does not say what it has")
    share = needs_mb / has_mb
    fits: State = "misses" if share > TOO_MUCH else "fits"
    return Remark(
        topic, fits, f"{needs}, {100 * share:.1f} % of {has_mb} MB" + ("; too much" if share > TOO_MUCH else "")
    )


def _engines(device: Device, versions: Mapping[str, str] | None) -> Remark:
    if device.is_this_machine:
        return Remark("engines", "told", f"{', '.join(device.engines)}; relens doctor tells their versions")
    if versions is None:
        return Remark("engines", "unknown", f"{', '.join(device.engines)}; the profile does not say which glibc it has")
    libc = f"glibc {device.system.libc}"
    if not versions:
        return Remark("engines", "misses", f"no version of {' or '.join(device.engines)} is known to load on {libc}")
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Remark("engines", "fits", f"{told} load on its {libc}")


def _camera(graph: Graph, device: Device) -> Remark:
    width, height = device.camera.width, device.camera.height
    if width is None or height is None:
        return Remark("camera", "unknown", "the profile does not say how large its frames are")
    sizes = [tensor.shape for tensor in graph.inputs if len(tensor.shape) == 4 and tensor.shape[3] in (1, 3, 4)]
    if not sizes:
        return Remark("camera", "told", f"{width}x{height}; the model has no input that is one picture")
    _, rows, columns, _ = sizes[0]
    across, down = width / columns, height / rows
    text = (
        f"{width}x{height} becomes {columns}x{rows}: one pixel of the input is {across:.1f} x {down:.1f} of the frame"
    )
    return Remark("camera", "told", f"{text}; {8 * max(across, down):.0f} pixels there are 8 here")


def _int8(device: Device) -> Iterator[Remark]:
    if device.int8_saturates:
        yield Remark("int8", "told", "no VNNI: OpenVINO's int8 saturates with full 8-bit weights; LiteRT's does not")
    if device.architecture == "x86_64" and "avx2" not in device.instruction_sets:
        faster = "no AVX2: int8 on LiteRT is faster than float here (measured 1.3 to 1.6 times on SSE4.1 kernels)"
        yield Remark("int8", "told", faster)


def _goals(graph: Graph, cost: Cost, device: Device, likely: Estimate | None, goals: Goals | None) -> Iterator[Remark]:
    """By what is known before a build. Only the size is certain; a latency goal is never called met by an estimate."""
    if goals is None:
        return
    if goals.max_size_mb is not None:
        size = graph.size_bytes / 1e6
        fits: State = "fits" if size <= goals.max_size_mb else "misses"
        yield Remark("goal size", fits, f"{size:.2f} MB of at most {goals.max_size_mb:g} as it is now")
    if goals.max_memory_mb is not None:
        memory = cost.predicted_memory_bytes / 1e6
        yield Remark("goal memory", "estimate", f"about {memory:.0f} MB of at most {goals.max_memory_mb:g}, predicted")
    if goals.max_latency_ms is not None:
        limit = f"at most {goals.max_latency_ms:g} ms"
        if likely is None or device.is_this_machine:
            yield Remark("goal latency", "unknown", f"{limit}; measured by relens build or by the camera's acceptance")
        else:
            yield Remark("goal latency", "estimate", f"{limit}; {likely.against(goals.max_latency_ms)}; not measured")
