"""`DeepLens_Kinesis_Video`: streams that go nowhere, because there is no Kinesis here."""

from typing import Any

from relens.legacy.link import current


class Stream:
    """A video stream; `isActive` follows `start` and `stop`."""

    def __init__(self, name: str, retention_hours: int) -> None:
        self.name, self.retention_hours = name, retention_hours
        self.isActive = False

    def start(self) -> None:
        """Begin, in name."""
        current().warn(f"the function sends video to Kinesis ({self.name}), and there is none: nothing is sent")
        self.isActive = True

    def stop(self) -> None:
        """End."""
        self.isActive = False


class Producer:
    """Makes streams."""

    def createStream(self, stream_name: str = "stream", retention: int = 1, *more: Any, **named: Any) -> Stream:
        """A stream of this name; retention: hours."""
        return Stream(str(named.get("streamName", stream_name)), retention)


def createProducer(*credentials: Any, **named: Any) -> Producer:
    """A producer; key, secret, token and region are not used."""
    return Producer()
