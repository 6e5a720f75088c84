"""How many threads an engine gets on this machine: measured, because more of them are not always faster."""

from collections.abc import Mapping, Sequence
from functools import partial

from relens.bundle.bundle import Bundle
from relens.device.model import load_model
from relens.measure.latency import interleaved

WORTH = 0.95
"""More threads have to bring latency down to so much of what fewer take: each is a core the rest of the loop lacks."""

SECONDS = 2.0


def thread_choices(cores: int) -> list[int]:
    """What is tried: one, two, four and so on, and all cores but the one that captures, draws and serves."""
    most = max(1, cores - 1)
    return sorted({most, *(1 << power for power in range(most.bit_length()))})


def measure_threads(bundle: Bundle, choices: Sequence[int]) -> dict[int, float]:
    """Median milliseconds of one inference by number of threads, taken in turns for some two seconds.

    Args:
        bundle: with a golden frame at least.
        choices: numbers of threads.

    Raises:
        EngineTrouble: RL-ENGINE-001 or -002.
    """
    runs = {}
    for count in choices:
        model = load_model(bundle, threads=count)
        runs[str(count)] = partial(model.infer, model.prepare(bundle.golden[0].frame))
    found = interleaved(runs, seconds=SECONDS)
    return {count: found[str(count)].median_ms for count in choices}


def fewest_that_pay(medians_ms: Mapping[int, float]) -> int:
    """The number of threads to take."""
    chosen, *more = sorted(medians_ms)
    for count in more:
        if medians_ms[count] <= WORTH * medians_ms[chosen]:
            chosen = count
    return chosen
