import subprocess
import sys

import pytest

import relens


def test_the_public_surface_is_exactly_this() -> None:
    assert relens.__all__ == [
        "accept", "build", "build_kit", "convert", "deploy", "import_model", "init", "load", "open_bundle", "package",
        "prove", "run",
    ]  # fmt: skip
    for name in relens.__all__:
        assert callable(getattr(relens, name)) and getattr(relens, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = relens.nothing


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; sys.argv = ['relens', '--help']\nfrom relens.cli import main\n"
    script += "try: main()\nexcept SystemExit: pass\n"
    script += "heavy = ('numpy', 'cv2', 'pydantic', 'av', 'starlette', 'ai_edge_litert', 'openvino', 'tensorflow')\n"
    script += "print([name for name in heavy if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
