"""`relens doctor`."""

import sys
from importlib.metadata import PackageNotFoundError, version

from relens.cli.options import AsJson

PARTS = {
    "camera side": ("ai-edge-litert", "numpy", "opencv-python-headless", "av", "starlette", "uvicorn", "tuf"),
    "workstation": ("tensorflow-cpu", "keras", "litert-quantizer", "pycocotools"),
    "openvino": ("openvino",),
    "delivery": ("cryptography", "securesystemslib"),
}


def doctor(as_json: AsJson = False) -> None:
    """Show this machine, the engines and the parts of relens that are installed."""
    from relens.cli.screen import say, say_json
    from relens.engines import available
    from relens.spec import this_machine

    machine = this_machine()
    parts = {part: {name: _version(name) for name in names} for part, names in PARTS.items()}
    if as_json:
        say_json({"python": sys.version.split()[0], **machine.model_dump(), "engines": available(), "parts": parts})
        return
    say(f"relens {version('relens')}, Python {sys.version.split()[0]}")
    say(f"{machine.processor}: {machine.cores} cores, {machine.memory_mb} MB, {' '.join(machine.instruction_sets)}")
    say(f"int8 on OpenVINO {'saturates (no VNNI)' if machine.int8_saturates else 'is exact'} here")
    for part, packages in parts.items():
        missing = [name for name, found in packages.items() if found is None]
        extra = {"workstation": "build", "openvino": "openvino", "delivery": "deliver"}.get(part)
        hint = f'missing {", ".join(missing)}: pip install "relens[{extra}]"' if missing else "complete"
        say(f"{part:<12} {hint}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
