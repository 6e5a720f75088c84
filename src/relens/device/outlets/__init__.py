"""Who is told of events: brokers, web addresses, files; each behind a courier that loses nothing while it is away."""

from relens.device.outlets.courier import Courier, CourierStatus
from relens.device.outlets.outlet import News, Outlet, Receipt
from relens.errors import BadConfig
from relens.spec.camera import CameraSettings

__all__ = ["Courier", "CourierStatus", "News", "Outlet", "Receipt", "open_outlets"]


def open_outlets(settings: CameraSettings, camera: str, bulletin: News | None = None) -> list[Outlet]:
    """Every outlet that a `camera.toml` names; none is connected yet.

    Args:
        settings: with `[mqtt]`, `[webhook]`, `[lines]` or none of them.
        camera: what the camera is called elsewhere.
        bulletin: how it is, for outlets that tell.

    Raises:
        BadConfig: RL-CONFIG-006 when a library that one needs is not installed.
    """
    found: list[Outlet] = []
    if settings.lines is not None:
        from relens.device.outlets.lines import Lines

        found.append(Lines(settings.lines, camera))
    if settings.webhook is not None:
        from relens.device.outlets.webhook import Webhook

        found.append(Webhook(settings.webhook, camera))
    if settings.mqtt is not None:
        try:
            from relens.device.outlets.mqtt import Mqtt
        except ModuleNotFoundError as missing:
            raise BadConfig(
                "RL-CONFIG-006",
                f"[mqtt] needs {missing.name}, and it is not installed",
                hint="pip install paho-mqtt",
            ) from None
        found.append(Mqtt(settings.mqtt, camera, bulletin))
    return found
