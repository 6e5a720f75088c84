"""What Greengrass has heard of a camera, in the words that we use of every camera."""

from collections.abc import Sequence
from datetime import timezone
from typing import Any

from relens.deliver.recipe import bundle_id
from relens.device.agent.status import AWAY, EMPTY, CameraStatus

DONE = ("SUCCEEDED", "COMPLETED")
FAILED = ("FAILED", "TIMED_OUT", "REJECTED")


def told(camera: str, heard: Sequence[tuple[dict[str, Any], str]] | None) -> CameraStatus:
    """Of one camera. What it ran before a deployment that failed, it runs again: its agent goes back by itself.

    Args:
        camera: the thing's name.
        heard: its effective deployments with our component's version, newest first; None when it is no core device.
    """
    if heard is None:
        return CameraStatus(camera, AWAY, trouble="Greengrass has never heard of it")
    if not heard:
        return CameraStatus(camera, EMPTY)
    newest, version = heard[0]
    state = newest["coreDeviceExecutionStatus"]
    if state in DONE:
        return _runs(camera, "confirmed", newest, version)
    if state == "IN_PROGRESS":
        return _runs(camera, "active", newest, version)
    bundle = bundle_id(version) or version
    why = _reason(newest)
    bad = {bundle: why} if state in FAILED else {}
    before = next((one for one in heard[1:] if one[0]["coreDeviceExecutionStatus"] in DONE), None)
    if before is None:
        return CameraStatus(camera, AWAY if state == "QUEUED" else EMPTY, trouble=why, bad=bad)
    return _runs(camera, AWAY if state == "QUEUED" else "confirmed", *before, trouble=why, bad=bad)


def _runs(camera: str, stage: str, deployment: dict[str, Any], version: str, **more: Any) -> CameraStatus:
    bundle = bundle_id(version) or version
    since = deployment["modifiedTimestamp"].astimezone(timezone.utc).isoformat(timespec="seconds")
    name, ours, _ = str(deployment["deploymentName"]).partition(f" {bundle}")
    return CameraStatus(camera, stage, bundle, name if ours else "", since, **more)


def _reason(deployment: dict[str, Any]) -> str:
    if deployment["coreDeviceExecutionStatus"] == "QUEUED":
        return "it has not taken the newest deployment yet"
    details = deployment.get("statusDetails", {})
    found = [deployment["coreDeviceExecutionStatus"], deployment.get("reason", ""), *details.get("errorStack", ())]
    return ": ".join(part for part in found if part)
