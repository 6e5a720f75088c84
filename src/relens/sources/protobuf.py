"""Just enough of the protobuf wire format to tell what a file is without TensorFlow.

The format: https://protobuf.dev/programming-guides/encoding/
"""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


def fields(message: bytes, limit: int | None = None) -> list[tuple[int, bytes | None]]:
    """The top-level fields of a message: number, and the content of length-delimited ones.

    Args:
        message: any bytes. What is not a whole, valid message has no fields.
        limit: keep at most so many bytes of a field's content.
    """
    found: list[tuple[int, bytes | None]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value: bytes | None = None
        if wire == VARINT:
            _, at = _varint(message, at)
        elif wire == BYTES:
            size, at = _varint(message, at)
            value = message[at : at + (size if limit is None else min(size, limit))]
            at += size
        else:
            at += FIXED_BYTES.get(wire, len(message) + 1)
        if not number or at > len(message):
            return []
        found.append((number, value))
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where it ends; beyond the message when it is cut off."""
    value = shift = 0
    for place in range(at, min(at + 10, len(message))):
        value |= (message[place] & 0x7F) << shift
        shift += 7
        if message[place] < 0x80:
            return value, place + 1
    return 0, len(message) + 1
