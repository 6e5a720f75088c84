"""A loop's state as Prometheus reads it: text format 0.0.4."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from relens.device.live.hub import About
from relens.device.loop import LoopStatus
from relens.device.timings import BOUNDS_MS, Histogram
from relens.measure.process import process_memory

TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(about: About, loop: LoopStatus, viewers: int, events_kept: int | None) -> str:
    """All of it. events_kept: None where nobody keeps events."""
    frames = {"captured": loop.captured, "inferred": loop.inferred, "dropped": loop.dropped, "failed": loop.errors}
    since_s = loop.last_inferred_s
    lines = [
        *_metric("bundle_info", "gauge", "What runs.", 1, bundle_name=about.name, bundle=about.sha256[:12]),
        *(
            line
            for name, count in frames.items()
            for line in _metric(f"frames_{name}_total", "counter", f"Frames {name}.", count)
        ),
        *_metric("frames_per_second", "gauge", "Inferred frames a second, of late.", round(loop.fps, 3)),
        *_metric("camera_lost_total", "counter", "How often the camera went away.", loop.lost),
        *_metric("camera_up", "gauge", "Whether the camera gives frames.", int(loop.trouble is None)),
        *_metric("running_seconds", "gauge", "Since the loop began.", round(loop.seconds, 3)),
        *_metric("resident_memory_bytes", "gauge", "Of this process.", round(1e6 * process_memory().resident_mb)),
        *_metric("viewers", "gauge", "Who watch the page.", viewers),
    ]
    if since_s is not None:
        lines += _metric("last_inferred_seconds", "gauge", "Since the newest inferred frame.", round(since_s, 3))
    if events_kept is not None:
        lines += _metric("events_kept", "gauge", "Events on the disk.", events_kept)
    return "\n".join([*lines, *_durations(loop.histograms), ""])


def _metric(name: str, kind: str, meaning: str, value: float, **labels: str) -> Iterator[str]:
    yield f"# HELP relens_{name} {meaning}"
    yield f"# TYPE relens_{name} {kind}"
    pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    yield f"relens_{name}{{{pairs}}} {value}" if pairs else f"relens_{name} {value}"


def _durations(stages: Mapping[str, Histogram]) -> Iterator[str]:
    name = "relens_stage_duration_seconds"
    yield f"# HELP {name} How long each stage of the loop took for a frame."
    yield f"# TYPE {name} histogram"
    bounds = [*(f"{bound / 1e3:g}" for bound in BOUNDS_MS), "+Inf"]
    for stage, histogram in stages.items():
        counts = list(accumulate(histogram.counts))
        for bound, count in zip(bounds, counts, strict=True):
            yield f'{name}_bucket{{stage="{stage}",le="{bound}"}} {count}'
        yield f'{name}_sum{{stage="{stage}"}} {histogram.total_ms / 1e3:.6f}'
        yield f'{name}_count{{stage="{stage}"}} {counts[-1]}'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
