"""relens: your TensorFlow model, running and proven on your camera.

    import relens
    project = relens.load("relens.toml")
    built = relens.build(project)     # raises GoalMissed, with the verdict, when no candidate meets the goals
    print(built.verdict)

Everything the command line does is one call here; each is imported on first use.
"""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.bundle import open_bundle
    from relens.deliver.fleet import deploy
    from relens.device import accept, run
    from relens.kit import build_kit, prove
    from relens.pipeline.build import build
    from relens.pipeline.convert import convert
    from relens.pipeline.initial import init
    from relens.pipeline.package import package
    from relens.sources import import_model
    from relens.spec import load

__all__ = [
    "accept",
    "build",
    "build_kit",
    "convert",
    "deploy",
    "import_model",
    "init",
    "load",
    "open_bundle",
    "package",
    "prove",
    "run",
]

__getattr__ = on_first_use(
    __name__,
    {
        "bundle": ["open_bundle"],
        "deliver.fleet": ["deploy"],
        "device": ["accept", "run"],
        "kit": ["build_kit", "prove"],
        "pipeline.build": ["build"],
        "pipeline.convert": ["convert"],
        "pipeline.initial": ["init"],
        "pipeline.package": ["package"],
        "sources": ["import_model"],
        "spec": ["load"],
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
