"""Whether the camera gives frames."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from relens.device.doctor.apart import attempt
from relens.device.doctor.finding import Finding, fine, unknown, wrong
from relens.device.doctor.video import check_video
from relens.spec.camera import v4l2_number

if TYPE_CHECKING:
    from relens.spec import SourceSettings

DEVICES = Path("/dev")
FRAME_S = 15.0
"""A network camera takes up to 8 s to open, this process's own start included."""


def check_camera(settings: "SourceSettings", running: bool = False, devices: Path = DEVICES) -> Iterator[Finding]:
    """The camera of a `camera.toml`: for one of this machine its file, and for all a frame.

    Args:
        settings: `[camera]`.
        running: whether an agent has the camera; one of this machine is then left to it.
        devices: where the files of cameras are.
    """
    if (number := v4l2_number(settings.source)) is not None:
        found = check_video(devices / f"video{number}")
        yield found
        if found.ok is False:
            return
        if running:
            yield unknown("frame", "not tried: the agent that runs has the camera")
            return
    yield check_frame(settings)


def check_frame(settings: "SourceSettings", seconds: float = FRAME_S) -> Finding:
    """Whether a frame comes, in a process of its own.

    Args:
        settings: `[camera]`.
        seconds: how long one is waited for.
    """
    command = [sys.executable, "-m", "relens.device.doctor.look"]
    outcome = attempt(command, seconds, settings.model_dump_json())
    name = settings.source.rpartition("@")[2]  # no password
    if outcome.trouble:
        return wrong(
            "frame", f"{name}: {outcome.trouble}", "relens device doctor    # again, with its cable and power checked"
        )
    answer = json.loads(outcome.said.splitlines()[-1])
    if "trouble" in answer:
        return wrong("frame", answer["trouble"], answer["hint"])
    return fine("frame", "{name}: {size[0]} x {size[1]}, the first after {seconds:.1f} s".format(**answer))


def list_cameras(devices: Path = DEVICES) -> Finding:
    """What could be a camera here, for somebody who has named none yet."""
    found = sorted(one.name for one in devices.glob("video*") if one.name.removeprefix("video").isdecimal())
    mend = "relens device doctor --settings camera.toml    # docs/camera.md shows one"
    if not found:
        return unknown("camera", f"not looked at: no camera.toml is named; {devices} has no video*", mend)
    usable = sum(os.access(devices / name, os.R_OK | os.W_OK) for name in found)
    text = f"not looked at: no camera.toml is named; {devices} has {', '.join(found)}, and {usable} can be opened"
    return unknown("camera", text, mend)
