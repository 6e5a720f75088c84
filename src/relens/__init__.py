"""relens: your TensorFlow model, running and proven on your camera.

    import relens
    project = relens.load("relens.toml")
    built = relens.build(project)     # raises GoalMissed, with the verdict, when no candidate meets the goals
    print(built.verdict)

Everything the command line does is one call here; each is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relens.bundle import open_bundle
    from relens.device import accept, run
    from relens.pipeline.build import build
    from relens.pipeline.convert import convert
    from relens.pipeline.initial import init
    from relens.pipeline.package import package
    from relens.sources import import_model
    from relens.spec import load

__all__ = ["accept", "build", "convert", "import_model", "init", "load", "open_bundle", "package", "run"]

_HOME = {
    "accept": "relens.device",
    "build": "relens.pipeline.build",
    "convert": "relens.pipeline.convert",
    "import_model": "relens.sources",
    "init": "relens.pipeline.initial",
    "load": "relens.spec",
    "open_bundle": "relens.bundle",
    "package": "relens.pipeline.package",
    "run": "relens.device",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'relens' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
