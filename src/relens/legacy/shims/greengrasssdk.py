"""`greengrasssdk`: messages go to the run's broker and live page."""

from types import ModuleType
from typing import Any, NoReturn

from relens.errors import LegacyTrouble
from relens.legacy.link import current


class Client:
    """`greengrasssdk.client("iot-data")`. Further arguments of its calls are those of AWS, and mean nothing here."""

    def publish(
        self, topic: str, payload: str | bytes | bytearray = b"", qos: int = 0, **ignored: Any
    ) -> dict[str, Any]:
        """Send a message; payload: text or bytes."""
        if not isinstance(payload, str | bytes | bytearray):
            raise TypeError(f"payload is text or bytes, and not {type(payload).__name__}: json.dumps makes text of it")
        current().publish(str(topic), payload if isinstance(payload, str) else bytes(payload))
        return {"ResponseMetadata": {"HTTPStatusCode": 200}}

    def get_thing_shadow(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refused: there is no shadow."""
        raise _not_here("get_thing_shadow")

    def update_thing_shadow(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refused: there is no shadow."""
        raise _not_here("update_thing_shadow")

    def delete_thing_shadow(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refused: there is no shadow."""
        raise _not_here("delete_thing_shadow")


def client(service: str, *arguments: Any, **named: Any) -> Client:
    """A client of one of the core's services; `iot-data` is the one that is here."""
    if service != "iot-data":
        raise _not_here(f"client({service!r})")
    return Client()


def _not_here(call: str) -> LegacyTrouble:
    trouble = LegacyTrouble(
        "RL-LEGACY-011",
        f"the function calls greengrasssdk's {call}, and there is no AWS here to answer",
        hint="of greengrasssdk, client('iot-data').publish is here; change the function where it needs more",
    )
    current().trouble(trouble)
    return trouble


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(f"greengrasssdk.{name}")
    vars(module).update(names)
    return module


IoTDataPlane = _module("IoTDataPlane", Client=Client)
MODULES = {"IoTDataPlane": IoTDataPlane}
