"""Run a bundle as the camera does, and write down all that it answered: what `relens prove` starts, here and emulated.

    python -m relens.device.witness BUNDLE CAMERA FRAMES FOLDER

Writes FOLDER/answers.npz, one array an output and frame, and FOLDER/facts.json. CAMERA may be `golden`: the bundle's
own golden frames, over and over.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.bundle import Bundle, open_bundle
from relens.device.acceptance import golden_checks
from relens.device.camera import open_camera
from relens.device.loop import LiveFrame, LiveLoop
from relens.device.model import load_model
from relens.spec import this_libc
from relens.vision import Outputs, Placement, Prediction, Prepared, VisionModel, to_json
from relens.vision.preprocess import Frame

ABSENT = ("tensorflow", "keras", "tf_keras", "jax", "torch")
"""What a camera has not, and must not need."""

Answers = dict[str, NDArray[np.float32]]


class Witness:
    """A model whose answers are kept."""

    def __init__(self, model: VisionModel) -> None:
        self.model = model
        self.answers: Answers = {}
        self.frames = 0

    def prepare(self, frame: Frame) -> Prepared:
        """The model's."""
        return self.model.prepare(frame)

    def infer(self, prepared: Prepared) -> Outputs:
        """The model's, kept."""
        outputs = self.model.infer(prepared)
        self.answers.update({f"live/{self.frames}/{name}": values for name, values in outputs.items()})
        self.frames += 1
        return outputs

    def decode(self, outputs: Outputs, placement: Placement) -> Prediction:
        """The model's."""
        return self.model.decode(outputs, placement)


def witness(bundle: Bundle, camera: str, frames: int, folder: Path) -> tuple[dict[str, Any], Answers]:
    """Accept a bundle and show it frames.

    Args:
        bundle: an opened bundle.
        camera: what `open_camera` takes; or `golden`.
        frames: how many live frames.
        folder: for what is in between.

    Returns:
        facts: checks of the acceptance but for speed and memory, engine, predictions, what is absent; and all answers,
        as `golden/0/OUTPUT` and `live/0/OUTPUT`, float32.
    """
    model = load_model(bundle)
    prepared = [model.prepare(golden.frame) for golden in bundle.golden]
    outputs = [model.infer(one) for one in prepared]
    golden = {f"golden/{place}/{name}": one[name] for place, one in enumerate(outputs) for name in one}
    checks = golden_checks(bundle, model, prepared, outputs)
    kept = Witness(model)
    seen: list[Any] = []

    def publish(live: LiveFrame) -> None:
        seen.append(to_json(live.prediction, bundle.labels))

    source = open_camera(_golden_folder(bundle, folder) if camera == "golden" else camera, real_time=False)
    LiveLoop(source, kept, frames=frames).run(publish)
    facts = {
        "bundle": bundle.sha256,
        "engine": str(model.engine.report),
        "precision": model.engine.report.precision,
        "checks": [vars(check) for check in checks],
        "golden": len(bundle.golden),
        "live": len(seen),
        "predictions": seen,
        "python": sys.version.split()[0],
        "libc": this_libc(),
        "absent": [name for name in ABSENT if name not in sys.modules and find_spec(name) is None],
        "loaded": [name for name in ABSENT if name in sys.modules],
    }
    return facts, {**golden, **kept.answers}


def _golden_folder(bundle: Bundle, folder: Path) -> str:
    import cv2

    pictures = folder / "golden"
    pictures.mkdir()
    for place, one in enumerate(bundle.golden):
        cv2.imwrite(str(pictures / f"{place:03d}.png"), one.frame)
    return str(pictures)


def main() -> None:
    """See the module."""
    path, camera, frames, out = sys.argv[1:5]
    with TemporaryDirectory(prefix="relens-") as folder:
        (Path(folder) / "model").mkdir()
        bundle = open_bundle(Path(path), Path(folder) / "model")
        facts, answers = witness(bundle, camera, int(frames), Path(folder))
    np.savez(Path(out) / "answers.npz", **answers)  # type: ignore[arg-type]
    (Path(out) / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
