"""The camera side must start on a machine that has neither TensorFlow nor Keras nor any other workstation part."""

import subprocess
import sys

BLOCKED = ("tensorflow", "keras", "litert_quantizer", "pycocotools", "openvino", "tf_keras", "cryptography")
SCRIPT = """
import importlib, pkgutil, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Refuse())
import relens
done = []
for room in ("errors", "spec", "graph", "engines", "vision", "bundle", "device", "legacy", "cli"):
    module = importlib.import_module(f"relens.{{room}}")
    done.append(module.__name__)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"relens.{{room}}."):
        if found.name == "relens.engines.openvino":
            continue  # is itself the optional part
        importlib.import_module(found.name)
        done.append(found.name)
print(len(done), sorted(name for name in sys.modules if name.split(".")[0] in {blocked!r}))
"""


def test_every_camera_side_module_imports_with_tensorflow_and_keras_blocked() -> None:
    script = SCRIPT.format(blocked=BLOCKED)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, _, loaded = done.stdout.strip().partition(" ")
    assert int(count) > 40 and loaded == "[]", done.stdout


def test_importing_relens_imports_nothing_heavy() -> None:
    script = "import sys, relens; print([m for m in ('numpy', 'cv2', 'pydantic', 'typer', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
