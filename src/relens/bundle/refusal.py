"""The errors a bundle is refused with."""

from pathlib import Path

from relens.errors import BadBundle

AGAIN = "get the bundle again from where it was built"


def damaged(bundle: Path, why: str) -> BadBundle:
    """RL-BUNDLE-001: not a bundle at all, or not as a bundle is written."""
    return BadBundle("RL-BUNDLE-001", f"{bundle}: {why}", hint=AGAIN)


def differs(bundle: Path, why: str) -> BadBundle:
    """RL-BUNDLE-002: the content is not what the manifest says."""
    return BadBundle("RL-BUNDLE-002", f"{bundle}: {why}", hint=AGAIN)


def newer(bundle: Path, version: object, known: int) -> BadBundle:
    """RL-BUNDLE-003: another version of the format."""
    return BadBundle(
        "RL-BUNDLE-003",
        f"{bundle} has format version {version!r:.40}, and this relens reads {known}",
        hint="pip install --upgrade relens",
    )
