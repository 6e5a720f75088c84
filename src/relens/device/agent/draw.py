"""Where a camera stands in the queue for a bundle: the same for everybody who asks, another one for each bundle."""

import hashlib


def draw(camera: str, bundle_sha256: str) -> float:
    """A number in [0, 1), as if drawn by lot.

    Args:
        camera: its name.
        bundle_sha256: of the bundle's file, 64 hexadecimal digits.
    """
    digest = hashlib.sha256(f"{bundle_sha256}:{camera}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
