"""What the supervisor wants of a worker."""

from pathlib import Path

from relens.spec import CameraSettings, Strict


class Orders(Strict):
    """One line of JSON on the worker's standard input.

    bundle: the file to run. events: the folder of the event log. samples: the folder of doubtful frames. real_time: see
    `open_camera`.
    """

    bundle: Path
    events: Path
    samples: Path
    settings: CameraSettings
    real_time: bool = True
