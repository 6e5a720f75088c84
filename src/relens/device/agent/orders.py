"""What the supervisor wants of a worker."""

from pathlib import Path

from relens.spec import CameraSettings, Strict


class Orders(Strict):
    """One line of JSON on the worker's standard input.

    state: the camera's folder. bundle: the id of what is to run. real_time: see `open_camera`.
    """

    state: Path
    bundle: str
    settings: CameraSettings
    real_time: bool = True
