"""Take one frame from a camera: `python -m relens.device.doctor.look`, `[camera]` as JSON on stdin."""

import json
import sys
from time import monotonic

from relens.device.camera import open_camera
from relens.device.camera.steady import Steady
from relens.errors import RelensError
from relens.spec import SourceSettings


def main() -> None:
    """Answer with one JSON object: the frame's size and how long it took, or why there is none."""
    settings = SourceSettings.model_validate_json(sys.stdin.read())
    try:
        answer = look(settings)
    except RelensError as trouble:
        answer = {"trouble": trouble.message, "hint": trouble.hint}
    sys.stdout.write(json.dumps(answer) + "\n")


def look(settings: SourceSettings) -> dict[str, object]:
    """Open a camera, read a frame, close it.

    Raises:
        DeviceTrouble, BadData: as `open_camera` and `Camera`.
    """
    began = monotonic()
    camera = open_camera(settings.source, loop=False, password_file=settings.password_file)
    if isinstance(camera, Steady):
        camera = camera.camera  # which says why it fails, instead of waiting
    camera.open()
    try:
        frame = camera.read()
    finally:
        camera.close()
    if frame is None:
        return {"trouble": f"{camera.describe()} has no frame", "hint": f"ffprobe {camera.describe()}"}
    return {"name": camera.describe(), "size": frame.shape[1::-1], "seconds": monotonic() - began}


if __name__ == "__main__":
    main()
