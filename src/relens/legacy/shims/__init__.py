"""The modules that old functions import, under the names that AWS gave them."""

import sys
from importlib import import_module

NAMES = (
    "awscam",
    "mo",
    "greengrasssdk",
    "greengrass_common",
    "greengrass_ipc_python_sdk",
    "DeepLens_Kinesis_Video",
)


def install() -> None:
    """Put them where `import` looks first, so that copies which a function brings along are not found."""
    for name in NAMES:
        module = import_module(f"relens.legacy.shims.{name}")
        sys.modules[name] = module
        for inner, attribute in getattr(module, "MODULES", {}).items():
            sys.modules[f"{name}.{inner}"] = attribute
