"""The modules that old functions import, under the names that AWS gave them."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

NAMES = (
    "awscam",
    "mo",
    "greengrasssdk",
    "greengrass_common",
    "greengrass_ipc_python_sdk",
    "DeepLens_Kinesis_Video",
)
UNLESS_INSTALLED = ("botocore",)


def install(function: Path) -> None:
    """Put them where `import` looks first, so that copies which a function brings along are not found.

    Args:
        function: its folder; what is there of `UNLESS_INSTALLED` is taken.
    """
    absent = [one for one in UNLESS_INSTALLED if find_spec(one) is None and not (function / one).exists()]
    for name in (*NAMES, *absent):
        module = import_module(f"relens.legacy.shims.{name}")
        sys.modules[name] = module
        for inner, attribute in getattr(module, "MODULES", {}).items():
            sys.modules[f"{name}.{inner}"] = attribute
