"""What the supervisor wants of a worker."""

from pathlib import Path

from pydantic import Field

from relens.spec import CameraSettings, Strict


class Orders(Strict):
    """One line of JSON on the worker's standard input.

    bundle: the file to run. events: the folder of the event log. samples: the folder of doubtful frames. token:
    what opens the live page. real_time: see `open_camera`.
    """

    bundle: Path
    events: Path
    samples: Path
    token: str = Field(repr=False)
    settings: CameraSettings
    real_time: bool = True
