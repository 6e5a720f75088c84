"""A bundle's model, loaded for this machine."""

from relens.bundle.bundle import Bundle
from relens.engines import load_engine
from relens.spec import this_machine
from relens.vision import VisionModel


def load_model(bundle: Bundle, engine: str | None = None, threads: int | None = None) -> VisionModel:
    """Load the model on the engine its manifest names, or on another one.

    Args:
        bundle: the bundle.
        engine: an engine's name; None takes the manifest's.
        threads: None takes the manifest's, and where it has none all cores but one.

    Raises:
        EngineTrouble: RL-ENGINE-001 or -002.
        BadConfig: RL-CONFIG-003 when decoder and outputs do not fit.
    """
    needs = bundle.manifest.needs
    threads = threads or needs.threads or this_machine().engine_threads
    loaded = load_engine(bundle.model, engine or needs.engine, threads)
    return VisionModel(loaded, bundle.manifest.input, bundle.manifest.output_spec)
